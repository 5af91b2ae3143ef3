// SPDX-License-Identifier: GPL-2.0

//! Which PCI devices a kernel has handed over, seen from outside.
//!
//! Formats: include/linux/kho/abi/pci.h and block.h.

use std::fmt;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use crate::acpi::ECAM;
use crate::gdb::Debugger;
use crate::handover::Handover;

/// The FLB that is the table.
const FLB: &str = "pci";

/// Where the header has the address of the first block.
const FIRST_BLOCK: u64 = 8;

/// A block's header, and an entry in it.
const BLOCK_HEADER: u64 = 16;
const ENTRY: u64 = 8;

/// More blocks than any guest here needs.
const MOST_BLOCKS: usize = 16;

/// The address of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bdf {
    /// The domain.
    pub domain: u32,
    /// Bus, device and function.
    pub bdf: u16,
}

impl Bdf {
    /// Reads what the kernel's own notation says: `0000:01:02.3`.
    pub fn parse(text: &str) -> Result<Self> {
        let parts = || {
            let (domain, rest) = text.trim().split_once(':')?;
            let (bus, rest) = rest.split_once(':')?;
            let (device, function) = rest.split_once('.')?;
            let hex = |text: &str| u32::from_str_radix(text, 16).ok();
            let bdf = hex(bus)? << 8 | hex(device)? << 3 | hex(function)?;
            Some(Self {
                domain: hex(domain)?,
                bdf: bdf.try_into().ok()?,
            })
        };
        parts().with_context(|| format!("{text:?} is no address of a PCI device"))
    }

    /// The number of its bus.
    pub fn bus(self) -> u8 {
        (self.bdf >> 8) as u8
    }

    /// The physical address of its configuration space, on a q35.
    fn config_space(self) -> u64 {
        ECAM + (u64::from(self.bdf) << 12)
    }

    /// Has it reach memory on its own, if it has anything to do there, as only an operating system can.
    pub fn make_bus_master(self, debugger: &mut Debugger) -> Result<()> {
        const COMMAND: u64 = 4;
        const MEMORY_AND_MASTER: u16 = 6;
        let at = self.config_space() + COMMAND;
        debugger.write_physical(at, &MEMORY_AND_MASTER.to_le_bytes())
    }

    /// Takes out what is behind it, which must be a port of a slot that can be powered off.
    pub fn unplug(self, debugger: &mut Debugger) -> Result<()> {
        const PCI_EXPRESS: u8 = 0x10;
        const SLOT_CONTROL: u64 = 0x18;
        const INDICATOR_AND_POWER_OFF: u16 = 0x0700;
        let at = self.config_space() + self.capability(debugger, PCI_EXPRESS)? + SLOT_CONTROL;
        debugger.write_physical(at, &INDICATOR_AND_POWER_OFF.to_le_bytes())
    }

    /// Takes its bus numbers, as a bridge: nobody finds what is behind it then.
    pub fn take_bus_numbers(self, debugger: &mut Debugger) -> Result<()> {
        const PRIMARY_BUS: u64 = 0x18;
        // Primary, secondary and subordinate bus.
        debugger.write_physical(self.config_space() + PRIMARY_BUS, &[0; 3])
    }

    /// Where a capability is in its configuration space.
    fn capability(self, debugger: &mut Debugger, id: u8) -> Result<u64> {
        const FIRST: u64 = 0x34;
        const MOST: usize = 48;
        let mut link = self.config_space() + FIRST;
        for _ in 0..MOST {
            let at = debugger.read_physical(link, 1)?[0];
            ensure!(at != 0, "{self} has no capability {id:#x}");
            let found = self.config_space() + u64::from(at);
            if debugger.read_physical(found, 1)?[0] == id {
                return Ok(at.into());
            }
            link = found + 1;
        }
        anyhow::bail!("the list of {self}'s capabilities does not end")
    }

    fn to_bytes(self) -> [u8; 6] {
        let mut bytes = [0; 6];
        bytes[..4].copy_from_slice(&self.domain.to_le_bytes());
        bytes[4..].copy_from_slice(&self.bdf.to_le_bytes());
        bytes
    }
}

impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (device, function) = (self.bdf >> 3 & 0x1f, self.bdf & 7);
        let (domain, bus) = (self.domain, self.bus());
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

/// An entry of the table.
#[derive(Clone, Copy, Debug)]
pub struct PciEntry {
    /// Where it is: a physical address.
    at: u64,
    /// The device.
    pub bdf: Bdf,
    /// How many preserved endpoints need it.
    pub count: u16,
}

impl PciEntry {
    /// Makes it an entry of another device.
    pub fn rename(&self, debugger: &mut Debugger, bdf: Bdf) -> Result<()> {
        debugger.write_physical(self.at, &bdf.to_bytes())
    }

    /// Changes how many endpoints need it.
    pub fn set_count(&self, debugger: &mut Debugger, count: u16) -> Result<()> {
        debugger.write_physical(self.at + 6, &count.to_le_bytes())
    }
}

/// The table.
#[derive(Clone, Debug)]
pub struct PciTable {
    /// The physical address of its header, which begins with the version.
    pub header: u64,
    /// The physical address of its first block, which begins with the address of the next.
    pub first_block: u64,
    /// How many devices there are, says the header.
    pub count: u32,
    /// The entries that are devices.
    pub entries: Vec<PciEntry>,
}

impl PciTable {
    /// Finds and reads it, with the guest at the jump.
    pub fn read(handover: &Handover, debugger: &mut Debugger) -> Result<Self> {
        let header = handover.flb(debugger, FLB)?;
        let count = debugger.read_physical(header + 4, 4)?;
        let first_block = debugger.read_physical_u64(header + FIRST_BLOCK)?;
        let mut table = Self {
            header,
            first_block,
            count: u32::from_le_bytes(count.as_slice().try_into()?),
            entries: Vec::new(),
        };
        let mut block = first_block;
        for _ in 0..MOST_BLOCKS {
            if block == 0 {
                return Ok(table);
            }
            table.read_block(debugger, block)?;
            block = debugger.read_physical_u64(block)?;
        }
        anyhow::bail!("the table of PCI devices has more than {MOST_BLOCKS} blocks")
    }

    /// Where the header keeps the address of the first block.
    pub fn first_block_field(&self) -> u64 {
        self.header + FIRST_BLOCK
    }

    /// The entry of a device.
    pub fn entry(&self, bdf: Bdf) -> Result<PciEntry> {
        let mut found = self.entries.iter().filter(|entry| entry.bdf == bdf);
        let entry = found.next();
        ensure!(found.next().is_none(), "{bdf} is in the table twice");
        entry
            .copied()
            .with_context(|| format!("{bdf} is not in the table of PCI devices"))
    }

    fn read_block(&mut self, debugger: &mut Debugger, block: u64) -> Result<()> {
        let count = debugger.read_physical_u64(block + 8)?;
        ensure!(count < 4096 / ENTRY, "a block with {count} entries");
        for index in 0..count {
            let at = block + BLOCK_HEADER + index * ENTRY;
            let bytes = debugger.read_physical(at, ENTRY as usize)?;
            let entry = PciEntry {
                at,
                bdf: Bdf {
                    domain: u32::from_le_bytes(bytes[..4].try_into()?),
                    bdf: u16::from_le_bytes(bytes[4..6].try_into()?),
                },
                count: u16::from_le_bytes(bytes[6..].try_into()?),
            };
            if entry.count > 0 {
                self.entries.push(entry);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["0000:00:1f.7", "10000:ff:00.0"] {
            assert_eq!(Bdf::parse(text).unwrap().to_string(), text);
        }
        let bdf = Bdf::parse("0001:02:03.4").unwrap();
        assert_eq!(bdf.to_bytes(), [1, 0, 0, 0, 0x1c, 2]);
        for text in ["", "0000:00", "0000:00:00", "0000:zz:00.0", "0000:100:00.0"] {
            assert!(Bdf::parse(text).is_err(), "{text}");
        }
    }
}
