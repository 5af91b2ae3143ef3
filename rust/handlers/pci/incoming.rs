// SPDX-License-Identifier: GPL-2.0

//! The table of devices that the previous kernel left.

use kernel::prelude::*;
use kernel::sync::atomic::Relaxed;
use zerocopy::FromBytes;

use crate::abi::addr::PhysAddr;
use crate::abi::pci::Address;
use crate::abi::pci::PciDevSer;
use crate::abi::pci::PciSer;
use crate::abi::pci::VERSION;
use crate::kernel::pci::Device;
use crate::kho::Handed;
use crate::logic::pci;
use crate::logic::pci::State;
use crate::luo::blocks::HandedChain;

/// The devices; see [`pci::Table`].
pub(super) struct Table(pci::Table<KVVec<pci::Device>>);

/// Reads what is at `data`, and frees it. On failure says in the log what is wrong.
///
/// `EINVAL` if it cannot be read, `ENOMEM`. What belongs to it stays reserved then.
pub(super) fn read(data: u64) -> Result<Table> {
    let header = Handed::claim(PhysAddr::new(data)).map_err(|error| {
        pr_err!("PCI: the table of preserved devices at {data:#x} was not preserved ({error:?})\n");
        EINVAL
    })?;
    let Ok((ser, _)) = PciSer::read_from_prefix(header.bytes()) else {
        return Err(EINVAL);
    };
    let version = ser.version;
    if version != VERSION {
        pr_err!(
            "PCI: the table of preserved devices is of version {version}; known is {VERSION}\n"
        );
        return Err(EINVAL);
    }
    let chain = HandedChain::<PciDevSer>::claim(ser.devices).map_err(|trouble| {
        pr_err!("PCI: the table of preserved devices cannot be read: {trouble}\n");
        EINVAL
    })?;
    let table = Table::new(chain.iter(), ser.nr_devices)?;

    chain.free();
    header.free();
    Ok(table)
}

impl Table {
    fn new<'a>(entries: impl Iterator<Item = &'a PciDevSer>, nr_devices: u32) -> Result<Self> {
        let mut devices = KVVec::new();

        for device in entries.filter_map(pci::Device::new) {
            devices.push(device, GFP_KERNEL)?;
        }
        if devices.len() != nr_devices as usize {
            pr_warn!(
                "PCI: {} devices are preserved where the previous kernel counts {nr_devices}\n",
                devices.len()
            );
        }
        let table = pci::Table::new(devices);

        for device in table.iter().filter(|it| it.state() == State::Unusable) {
            pr_err!(
                "PCI: {}: is in the table of preserved devices twice, which makes it an ordinary device\n",
                device.address()
            );
        }
        Ok(Self(table))
    }

    /// Decides what `device` is, which has just been found: notes it with the device.
    pub(super) fn set_up(&mut self, device: &Device) {
        let address = device.address();

        match self.0.state(address) {
            // Whatever was not preserved was told to stop before the kexec.
            None => super::hooks::set_up_blindly(device),
            Some(State::Finished) => {}
            Some(State::Unusable | State::Gone) => super::hooks::make_ordinary(device),
            Some(State::Kept(_)) => match objection(device) {
                None => {
                    device.was_incoming().store(true, Relaxed);
                    device.incoming().store(true, Relaxed);
                    pr_info!("PCI: {address}: was preserved by the previous kernel\n");
                }
                Some(reason) => {
                    pr_err!("PCI: {address}: cannot have been preserved: {reason}\n");
                    self.0.reject(address);
                    super::hooks::make_ordinary(device);
                }
            },
        }
    }

    /// Whether a device at `address` is kept, be it found already or not.
    pub(super) fn keeps(&self, address: Address) -> bool {
        self.0.keeps(address)
    }

    /// Notes that `device` is removed.
    pub(super) fn remove(&mut self, device: &Device) {
        self.0.remove(device.address());
        device.incoming().store(false, Relaxed);
    }

    /// Notes that `device` is finished, and one use of each bridge above it.
    pub(super) fn finish_path(&mut self, device: &Device) {
        for member in device.path() {
            let address = member.address();

            match self.0.finish(address, !member.is_bridge()) {
                Some(State::Kept(_)) => {}
                Some(_) => {
                    member.incoming().store(false, Relaxed);
                    pr_info!("PCI: {address}: is through with the live update\n");
                }
                None => {
                    pr_warn!("PCI: {address}: was not preserved, and cannot be finished\n");
                    return;
                }
            }
        }
    }
}

/// Why `device` cannot have been preserved, if so.
fn objection(device: &Device) -> Option<&'static str> {
    if device.is_virtual() {
        return Some("it is a virtual function");
    }
    // Bridges are found before what is behind them.
    match device.upstream_bridge() {
        Some(bridge) if !bridge.incoming().load(Relaxed) => {
            Some("the bridge that it is behind was not preserved")
        }
        _ => None,
    }
}

/// Says which devices nobody asked for. The last preserved file is finished.
pub(super) fn report_unfinished(table: &Table) {
    for device in table.0.iter() {
        if let State::Kept(_) = device.state() {
            pr_warn!(
                "PCI: {}: was preserved, but nobody took it over\n",
                device.address()
            );
        }
    }
}
