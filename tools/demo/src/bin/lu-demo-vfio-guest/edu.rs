// SPDX-License-Identifier: GPL-2.0

//! A driver for QEMU's edu device; its manual is `docs/specs/edu` there.

use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::ensure;
use lu_demo::vfio::BLOCK;

use crate::abi;
use crate::vfio::Assigned;
use crate::vfio::Region;

/// Its vendor, and what the vendor calls it.
pub(crate) const ID: (u16, u16) = (0x1234, 0x11e8);

/// Where the buffer is for the device, which has 28 lines for addresses.
pub(crate) const IOVA: u64 = 0x100_0000;

/// The command register of any PCI device: it answers at its addresses, and may do DMA.
const COMMAND: u64 = 4;
const COMMAND_MEMORY: u16 = 1 << 1;
const COMMAND_MASTER: u16 = 1 << 2;

/// Gives back what was written, inverted.
const LIVENESS: u64 = 0x04;
const DMA_SOURCE: u64 = 0x80;
const DMA_TARGET: u64 = 0x88;
const DMA_COUNT: u64 = 0x90;
const DMA_COMMAND: u64 = 0x98;
const DMA_RUN: u32 = 1;
const DMA_TO_MEMORY: u32 = 2;

/// The device's own memory, as its DMA sees it. It has 4096 bytes, but QEMU ends at a transfer of the
/// last one.
const OWN_MEMORY: u64 = 0x4_0000;

/// The device takes a tenth of a second for a transfer.
const POLL: Duration = Duration::from_millis(5);
const DEADLINE: Duration = Duration::from_secs(60);

/// The device, in operation.
#[derive(Debug)]
pub(crate) struct Edu<'a> {
    registers: Region<'a>,
}

impl<'a> Edu<'a> {
    /// Puts the device into operation.
    pub(crate) fn start(assigned: &'a Assigned) -> Result<Self> {
        let config = assigned.region(abi::VFIO_PCI_CONFIG_REGION_INDEX)?;
        config.write(COMMAND, &(COMMAND_MEMORY | COMMAND_MASTER).to_le_bytes())?;
        let registers = assigned.region(abi::VFIO_PCI_BAR0_REGION_INDEX)?;
        let edu = Self { registers };
        edu.set(LIVENESS, 0x1234_5678)?;
        let answer = edu.registers.read(LIVENESS)?;
        ensure!(
            answer == !0x1234_5678,
            "the device does not answer as an edu does, but by {answer:#010x}"
        );
        Ok(edu)
    }

    /// Has the device copy a block of the buffer to another place there, by its own memory.
    pub(crate) fn copy(&self, from: u64, to: u64) -> Result<()> {
        self.transfer(IOVA + from, OWN_MEMORY, DMA_RUN)?;
        self.transfer(OWN_MEMORY, IOVA + to, DMA_RUN | DMA_TO_MEMORY)
    }

    fn transfer(&self, source: u64, target: u64, command: u32) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        // Addresses of 32 bits do: it has fewer lines.
        self.set(DMA_SOURCE, u32::try_from(source)?)?;
        self.set(DMA_TARGET, u32::try_from(target)?)?;
        self.set(DMA_COUNT, u32::try_from(BLOCK)?)?;
        self.set(DMA_COMMAND, command)?;
        while self.registers.read(DMA_COMMAND)? & DMA_RUN != 0 {
            ensure!(
                Instant::now() < deadline,
                "the device has not ended a DMA transfer of {BLOCK} bytes within {} s",
                DEADLINE.as_secs()
            );
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn set(&self, register: u64, value: u32) -> Result<()> {
        self.registers.write(register, &value.to_le_bytes())
    }
}
