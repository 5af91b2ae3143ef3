// SPDX-License-Identifier: GPL-2.0

//! What the PCI core asks and tells.

use kernel::prelude::*;
use kernel::sync::atomic::Relaxed;

use crate::kernel::pci::Bus;
use crate::kernel::pci::Device;
use crate::kernel::pci::Jump;
use crate::kernel::pci::Locked;

use super::DEVICES;
use super::HAD_INCOMING;
use super::STATE;

/// Looks `device` up, which has just been found. Called with the lock of PCI scanning held, or while
/// the system starts.
pub(super) fn set_up(device: &Device) {
    let _state = STATE.lock();

    match DEVICES.incoming() {
        Ok(table) => table.get().lock().set_up(device),
        // Live update is off, there was none, or none with devices, or all of it is finished.
        Err(error) if [EOPNOTSUPP, ENODATA, ENOENT].contains(&error) => {}
        Err(_) => set_up_blindly(device),
    }
}

/// Looks at a device of which the previous kernel does not say that it was preserved, or nobody can
/// read whether it does. All others were told to stop before the kexec.
pub(super) fn set_up_blindly(device: &Device) {
    if !device.is_bridge() && device.is_master() {
        pr_warn!(
            "PCI: {}: can reach memory, and yet the previous kernel does not say that it was preserved\n",
            device.address()
        );
        make_ordinary(device);
    }
}

/// Makes `device` one that was not preserved: it can reach no memory, and is reset before it is used.
pub(super) fn make_ordinary(device: &Device) {
    if device.is_bridge() {
        return;
    }
    device.clear_master();
    device.needs_reset().store(true, Relaxed);
    pr_info!(
        "PCI: {}: was stopped, and will be reset before a driver gets it\n",
        device.address()
    );
}

/// Notes that `device` goes. What is found in its place later is another one.
pub(super) fn clean_up(device: &Device) {
    if super::is_incoming(device) {
        let _state = STATE.lock();

        if let Ok(table) = DEVICES.incoming() {
            table.get().lock().remove(device);
        }
        pr_warn!(
            "PCI: {}: goes away before anyone took it over\n",
            device.address()
        );
    }
    if device.slot().load(Relaxed) != 0 {
        pr_warn!(
            "PCI: {}: goes away, though it is preserved for the next kernel\n",
            device.address()
        );
    }
}

/// Whether bridges keep their bus numbers.
pub(super) fn keeps_bus_numbers() -> bool {
    HAD_INCOMING.load(Relaxed)
}

/// Whether `device`, a bridge without numbers, must not get any of those of `bus`.
///
/// A preserved bridge on that bus may have lost its own. They are not free: devices behind it are known
/// to the previous kernel's users by them, and nobody can tell which they were.
pub(super) fn refuses_bus_numbers(bus: &Bus, device: &Device) -> bool {
    let Some(lost) = bus.bridge_without_numbers() else {
        return false;
    };
    pr_err!(
        "PCI: {}: gets no bus numbers, for the preserved bridge {} has lost its own\n",
        device.address(),
        lost.address()
    );
    true
}

/// Keeps the ACS controls in mind that `device` came with.
pub(super) fn note_acs(device: &Device) {
    if device.was_incoming().load(Relaxed) {
        device.note_acs();
    }
}

/// Sets the ACS controls again that `device` came with. They stay for as long as the device does: its
/// IOMMU group depends on them. Returns whether there are any.
pub(super) fn inherit_acs(device: &Device) -> bool {
    let inherits = device.was_incoming().load(Relaxed);

    if inherits {
        device.restore_acs();
    }
    inherits
}

/// Keeps ARI forwarding of `bridge` as it is. Returns whether that is wanted.
pub(super) fn inherit_ari(bridge: &Device) -> bool {
    let inherits = super::is_incoming(bridge);

    if inherits {
        bridge.adopt_ari();
    }
    inherits
}

/// Whether a driver may be bound to `device`.
pub(super) fn may_bind(device: &Device, can_liveupdate: bool) -> bool {
    can_liveupdate || device.is_bridge() || !super::is_incoming(device)
}

/// Resets `device` if nobody knows what it is doing, unless it is a bridge. Called before a driver gets
/// it.
///
/// `ENODEV` if it cannot be: whoever had it a bus master would have it write where it did before.
pub(super) fn prepare_probe(locked: &Locked<'_>) -> Result {
    let device = locked.device();
    let address = device.address();
    // All preserved files are finished, and nobody asked for this device.
    let is_left_over = device.incoming().load(Relaxed) && !super::is_incoming(device);

    if !device.needs_reset().load(Relaxed) && !is_left_over {
        return Ok(());
    }
    if device.is_bridge() {
        // It does nothing on its own, and others reach memory through it.
        device.incoming().store(false, Relaxed);
        return Ok(());
    }
    device.clear_master();
    locked.reset().map_err(|error| {
        pr_err!(
            "PCI: {address}: gets no driver: it may still be running, and cannot be reset ({error:?}); it has to be switched off first\n"
        );
        ENODEV
    })?;
    pr_info!("PCI: {address}: was reset, for it may have been running\n");
    device.needs_reset().store(false, Relaxed);
    device.incoming().store(false, Relaxed);
    Ok(())
}

/// Shuts `device` down for the next kernel, if it is preserved. Returns whether it is.
pub(super) fn shut_down(device: &Locked<'_>) -> bool {
    // The first device that is shut down ends changes for all: bridges must not differ from what is
    // behind them.
    STATE.lock().frozen = true;

    if device.device().slot().load(Relaxed) == 0 {
        return false;
    }
    match device.device().at_jump() {
        Jump::Leave => {}
        Jump::Stop => stop(device.device()),
        Jump::Reset => {
            stop(device.device());
            if let Err(error) = device.reset() {
                let address = device.device().address();

                pr_info!("PCI: {address}: is handed over without a reset ({error:?})\n");
            }
            // The reset has restored what was enabled, lines among it.
            stop(device.device());
        }
    }
    true
}

/// Keeps a device from reaching memory, and so from sending messages, and from asserting a line.
fn stop(device: &Device) {
    device.clear_master();
    device.disable_intx();
}
