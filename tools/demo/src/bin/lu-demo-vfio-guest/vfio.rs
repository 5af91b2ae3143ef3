// SPDX-License-Identifier: GPL-2.0

//! A device that this process has, with an address space for its DMA.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::Context;
use anyhow::Result;

use crate::sys::DeviceFd;
use crate::sys::IommuFd;

/// An assigned device.
#[derive(Debug)]
pub(crate) struct Assigned {
    device: DeviceFd,
    iommufd: IommuFd,
    ioas: u32,
}

/// A region of the device: a BAR, or its configuration space.
#[derive(Debug)]
pub(crate) struct Region<'a> {
    file: &'a File,
    offset: u64,
}

impl Assigned {
    /// Gives an open device a new iommufd, with an address space that is empty.
    pub(crate) fn new(device: DeviceFd) -> Result<Self> {
        let iommufd = IommuFd::open().context("opening an iommufd")?;
        device
            .bind(&iommufd)
            .context("binding the device to an iommufd")?;
        let ioas = iommufd
            .new_ioas()
            .context("making an address space for DMA")?;
        device
            .attach(ioas)
            .context("giving the device its address space")?;
        Ok(Self {
            device,
            iommufd,
            ioas,
        })
    }

    /// Lets the device reach the first `length` bytes of a memfd, at `iova`.
    pub(crate) fn map(&self, memfd: &File, length: u64, iova: u64) -> Result<()> {
        self.iommufd
            .map_file(self.ioas, memfd, length, iova)
            .context("mapping the buffer for DMA")
    }

    /// The device's file.
    pub(crate) fn device(&self) -> &DeviceFd {
        &self.device
    }

    /// Finds a region.
    pub(crate) fn region(&self, index: u32) -> Result<Region<'_>> {
        let offset = self
            .device
            .region(index)
            .with_context(|| format!("finding region {index} of the device"))?;
        Ok(Region {
            file: self.device.file(),
            offset,
        })
    }
}

impl Region<'_> {
    /// Reads a register of 32 bits.
    pub(crate) fn read(&self, at: u64) -> Result<u32> {
        let mut value = [0; 4];
        self.file
            .read_exact_at(&mut value, self.offset + at)
            .with_context(|| format!("reading the device's register at {at:#x}"))?;
        Ok(u32::from_le_bytes(value))
    }

    /// Writes a register, whole.
    pub(crate) fn write(&self, at: u64, value: &[u8]) -> Result<()> {
        self.file
            .write_all_at(value, self.offset + at)
            .with_context(|| format!("writing the device's register at {at:#x}"))
    }
}
