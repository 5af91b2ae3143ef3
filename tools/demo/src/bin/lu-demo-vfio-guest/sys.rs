// SPDX-License-Identifier: GPL-2.0

//! All of this program's `unsafe`: the ioctls.
//!
//! The two newtypes carry the proof that a descriptor is what an ioctl needs. Registers are read and
//! written by `pread()` and `pwrite()`, which is slower than a mapping of them, and needs no more.

#![expect(unsafe_code, reason = "this module is the border to the kernel")]

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::ioctl;
use rustix::ioctl::Opcode;
use rustix::ioctl::Updater;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

use crate::abi;

/// Calls one ioctl, having written the true size into the request.
///
/// # Safety
///
/// `R` is the C structure of the ioctl `OPCODE` of whatever `fd` is. It begins with its size as a `u32`,
/// which bounds what the kernel touches, and has no pointers but null.
unsafe fn call<const OPCODE: Opcode, R>(fd: BorrowedFd<'_>, request: &mut R) -> Result<(), Errno>
where
    R: FromBytes + IntoBytes + Immutable,
{
    let size = u32::try_from(size_of::<R>()).map_err(|_| Errno::OVERFLOW)?;
    request.as_mut_bytes()[..4].copy_from_slice(&size.to_ne_bytes());
    // SAFETY: The caller promises that the kernel stays within the size, which the lines above made that
    // of `R`, and any bytes are a valid `R` (`FromBytes`).
    unsafe { ioctl::ioctl(fd, Updater::<OPCODE, R>::new(request)) }
}

/// A device file of VFIO.
///
/// # Invariants
///
/// The file is one of `vfio_device_fops`.
#[derive(Debug)]
pub(crate) struct DeviceFd(File);

impl DeviceFd {
    /// Opens a character device, whose number sysfs has at `number`.
    pub(crate) fn open(path: &Path, number: &Path) -> io::Result<Self> {
        // INVARIANT: A character device is known by its number, and sysfs says that this is VFIO's.
        Ok(Self(open_numbered(path, number)?))
    }

    /// Takes one that was retrieved from a session.
    pub(crate) fn retrieved(fd: OwnedFd) -> io::Result<Self> {
        let link = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
        if link.to_str() != Some("anon_inode:[vfio-device]") {
            let text = format!("{} is no device file of VFIO", link.display());
            return Err(io::Error::other(text));
        }
        // INVARIANT: Only the kernel names anonymous inodes, and it gives this name to these files alone.
        Ok(Self(File::from(fd)))
    }

    /// Makes the device one of an iommufd; before, nothing can be done with it.
    pub(crate) fn bind(&self, iommufd: &IommuFd) -> Result<(), Errno> {
        let mut request = abi::BindIommufd {
            iommufd: iommufd.0.as_raw_fd(),
            ..Default::default()
        };
        // SAFETY: By the type invariant; the structure is that of this ioctl.
        unsafe { call::<{ abi::VFIO_DEVICE_BIND_IOMMUFD }, _>(self.0.as_fd(), &mut request) }
    }

    /// Gives the device an address space.
    pub(crate) fn attach(&self, ioas: u32) -> Result<(), Errno> {
        let mut request = abi::AttachIommufdPt {
            pt_id: ioas,
            ..Default::default()
        };
        // SAFETY: By the type invariant; the structure is that of this ioctl.
        unsafe { call::<{ abi::VFIO_DEVICE_ATTACH_IOMMUFD_PT }, _>(self.0.as_fd(), &mut request) }
    }

    /// Where a region is in the file.
    pub(crate) fn region(&self, index: u32) -> Result<u64, Errno> {
        let mut request = abi::RegionInfo {
            index,
            ..Default::default()
        };
        // SAFETY: By the type invariant; the structure is that of this ioctl.
        unsafe { call::<{ abi::VFIO_DEVICE_GET_REGION_INFO }, _>(self.0.as_fd(), &mut request) }?;
        Ok(request.offset)
    }

    /// The file, for access to regions.
    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

impl AsFd for DeviceFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An iommufd.
///
/// # Invariants
///
/// The file is one of `/dev/iommu`.
#[derive(Debug)]
pub(crate) struct IommuFd(File);

impl IommuFd {
    /// Opens a new one.
    pub(crate) fn open() -> io::Result<Self> {
        let number = Path::new("/sys/class/misc/iommu/dev");
        // INVARIANT: A character device is known by its number.
        Ok(Self(open_numbered(Path::new("/dev/iommu"), number)?))
    }

    /// Makes an address space.
    pub(crate) fn new_ioas(&self) -> Result<u32, Errno> {
        let mut request = abi::IoasAlloc::default();
        // SAFETY: By the type invariant; the structure is that of this ioctl.
        unsafe { call::<{ abi::IOMMU_IOAS_ALLOC }, _>(self.0.as_fd(), &mut request) }?;
        Ok(request.out_ioas_id)
    }

    /// Maps the first `length` bytes of a memfd into an address space at `iova`.
    pub(crate) fn map_file(
        &self,
        ioas: u32,
        memfd: &File,
        length: u64,
        iova: u64,
    ) -> Result<(), Errno> {
        let mut request = abi::IoasMapFile {
            flags: abi::IOMMU_IOAS_MAP_FIXED_IOVA
                | abi::IOMMU_IOAS_MAP_WRITEABLE
                | abi::IOMMU_IOAS_MAP_READABLE,
            ioas_id: ioas,
            fd: memfd.as_raw_fd(),
            length,
            iova,
            ..Default::default()
        };
        // SAFETY: By the type invariant; the structure is that of this ioctl.
        unsafe { call::<{ abi::IOMMU_IOAS_MAP_FILE }, _>(self.0.as_fd(), &mut request) }
    }
}

/// Opens a character device, and makes sure that it is the one whose number sysfs has at `number`.
fn open_numbered(path: &Path, number: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let stat = rustix::fs::fstat(&file)?;
    let (major, minor) = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    let is_char = FileType::from_raw_mode(stat.st_mode).is_char_device();
    if !is_char || fs::read_to_string(number)?.trim_end() != format!("{major}:{minor}") {
        let text = format!(
            "{} is another device than {}",
            path.display(),
            number.display()
        );
        return Err(io::Error::other(text));
    }
    Ok(file)
}
