// SPDX-License-Identifier: GPL-2.0

//! The table of devices for the next kernel.
//!
//! It is always complete: the next kernel finds it as the last change has left it.

use kernel::prelude::*;
use kernel::sync::atomic::Relaxed;
use zerocopy::FromBytes;

use crate::abi::pci::PciDevSer;
use crate::abi::pci::PciSer;
use crate::abi::pci::VERSION;
use crate::kernel::pci::Device;
use crate::kho::Preserved;
use crate::luo::blocks::BlockSet;

/// Devices that are preserved.
///
/// A device knows its entry by number, counted from 1: [`Device::slot`].
///
/// # Invariants
///
/// - Entries are numbered below `slots`, and there is room for them.
/// - `free` has the numbers of those that stand for no device, and room for all.
pub(super) struct Table {
    header: Preserved,
    entries: BlockSet<PciDevSer>,
    slots: u32,
    free: KVec<u32>,
}

impl Table {
    /// A table without devices.
    pub(super) fn new() -> Result<Self> {
        let mut table = Self {
            header: Preserved::new(size_of::<PciSer>())?,
            entries: BlockSet::new(),
            slots: 0,
            free: KVec::new(),
        };

        table.write_header();
        Ok(table)
    }

    /// What leads the next kernel here.
    pub(super) fn data(&self) -> u64 {
        self.header.phys().get()
    }

    /// How many devices there are.
    pub(super) fn devices(&self) -> usize {
        (self.slots as usize).saturating_sub(self.free.len())
    }

    fn write_header(&mut self) {
        // There are no more than slots.
        let nr_devices = self.devices() as u32;

        if let Ok((header, _)) = PciSer::mut_from_prefix(self.header.bytes_mut()) {
            *header = PciSer {
                version: VERSION,
                nr_devices,
                devices: self.entries.head(),
            };
        }
    }

    /// Adds `device`, and each bridge above it. On failure nothing has changed.
    pub(super) fn add_path(&mut self, device: &Device) -> Result {
        for (added, member) in device.path().enumerate() {
            if let Err(error) = self.add(member) {
                for member in device.path().take(added) {
                    self.remove(member);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Removes `device`, and one use of each bridge above it.
    pub(super) fn remove_path(&mut self, device: &Device) {
        for member in device.path() {
            if !self.remove(member) {
                return;
            }
        }
    }

    fn add(&mut self, device: &Device) -> Result {
        let address = device.address();

        if device.is_virtual() {
            pr_warn!("PCI: {address}: cannot be preserved: it is a virtual function\n");
            return Err(EINVAL);
        }
        match device.slot().load(Relaxed).checked_sub(1) {
            None => self.add_new(device),
            // It serves one more device below it.
            Some(slot) if device.is_bridge() => {
                let entry = self.entries.entry_mut(slot as usize).ok_or(EINVAL)?;

                entry.refcount = entry.refcount.checked_add(1).ok_or(ENOSPC)?;
                Ok(())
            }
            Some(_) => {
                pr_warn!("PCI: {address}: is preserved already\n");
                Err(EBUSY)
            }
        }
    }

    fn add_new(&mut self, device: &Device) -> Result {
        let address = device.address();

        if self.free.is_empty() {
            self.add_slot()?;
        }
        let slot = self.free.pop().ok_or(ENOSPC)?;
        let entry = self.entries.entry_mut(slot as usize).ok_or(EINVAL)?;

        *entry = PciDevSer {
            domain: address.domain,
            bdf: address.bdf,
            refcount: 1,
        };
        device.slot().store(slot + 1, Relaxed);
        self.write_header();
        pr_info!("PCI: {address}: will be preserved across the next live update\n");
        Ok(())
    }

    /// Makes room for one more device.
    fn add_slot(&mut self) -> Result {
        let slots = self.slots.checked_add(1).ok_or(ENOSPC)?;

        self.free.reserve(slots as usize, GFP_KERNEL)?;
        self.entries.grow(slots as usize)?;
        // INVARIANT: There is room for it, here as well as in the chain.
        self.free
            .push_within_capacity(self.slots)
            .map_err(|_| ENOMEM)?;
        self.slots = slots;
        Ok(())
    }

    /// Takes one use of `device` back; says in the log if there is none, and returns whether there was.
    fn remove(&mut self, device: &Device) -> bool {
        let address = device.address();
        let slot = device.slot().load(Relaxed).checked_sub(1);
        let entry = slot.and_then(|slot| self.entries.entry_mut(slot as usize));

        match (slot, entry) {
            (Some(slot), Some(entry)) if entry.address() == address && entry.refcount > 0 => {
                entry.refcount -= 1;
                if entry.refcount == 0 {
                    *entry = PciDevSer::NONE;
                    device.slot().store(0, Relaxed);
                    // INVARIANT: It has room for all slots.
                    let _ = self.free.push_within_capacity(slot);
                    self.write_header();
                    pr_info!("PCI: {address}: will no longer be preserved\n");
                }
                true
            }
            _ => {
                pr_warn!("PCI: {address}: is not preserved, and cannot be unpreserved\n");
                false
            }
        }
    }
}
