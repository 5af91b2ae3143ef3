// SPDX-License-Identifier: GPL-2.0

//! The entry points for C: `include/linux/pci_liveupdate.h`.
//!
//! Each is checked at compile time against its declaration in C, and does no more than to turn
//! pointers into types.

#![allow(
    clippy::missing_safety_doc,
    reason = "each asks for what its declaration in C says"
)]

use kernel::prelude::*;
use kernel::sync::atomic::Relaxed;

use crate::abi::pci::Address;
use crate::kernel::bindings;
use crate::kernel::c_abi::as_declared;
use crate::kernel::c_abi::to_errno;
use crate::kernel::pci::Bus;
use crate::kernel::pci::Device;
use crate::kernel::pci::Jump;
use crate::kernel::pci::Locked;

use super::hooks;
use super::DEVICES;

as_declared!(
    pci_liveupdate_register_flb,
    pci_liveupdate_unregister_flb,
    pci_liveupdate_preserve,
    pci_liveupdate_unpreserve,
    pci_liveupdate_finish,
    pci_liveupdate_is_incoming,
    pci_liveupdate_is_expected,
    pci_liveupdate_at_jump,
    pci_liveupdate_set_running,
    pci_liveupdate_is_running,
    pci_liveupdate_setup_device,
    pci_liveupdate_cleanup_device,
    pci_liveupdate_preserve_bus_numbers,
    pci_liveupdate_refuse_bus_numbers,
    pci_liveupdate_init_acs,
    pci_liveupdate_inherit_acs,
    pci_liveupdate_inherit_ari,
    pci_liveupdate_may_bind,
    pci_liveupdate_prepare_probe,
    pci_liveupdate_shutdown,
);

/// Makes the files of a handler depend on the table of devices.
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_register_flb(
    handler: *mut bindings::liveupdate_file_handler,
) -> c_int {
    // SAFETY: The table is in a static; the handler is registered, as the declaration asks for.
    unsafe { bindings::liveupdate_register_flb(handler, DEVICES.as_raw()) }
}

/// Takes [`pci_liveupdate_register_flb`] back.
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_unregister_flb(
    handler: *mut bindings::liveupdate_file_handler,
) {
    // SAFETY: As above.
    unsafe { bindings::liveupdate_unregister_flb(handler, DEVICES.as_raw()) };
}

/// See [`super::preserve`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_preserve(device: *mut bindings::pci_dev) -> c_int {
    // SAFETY: The caller has a reference to the device.
    to_errno(super::preserve(unsafe { Device::from_raw(device) }))
}

/// See [`super::unpreserve`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_unpreserve(device: *mut bindings::pci_dev) {
    // SAFETY: The caller has a reference to the device.
    super::unpreserve(unsafe { Device::from_raw(device) });
}

/// See [`super::finish`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_finish(device: *mut bindings::pci_dev) {
    // SAFETY: The caller has a reference to the device.
    super::finish(unsafe { Device::from_raw(device) });
}

/// See [`super::is_incoming`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_is_incoming(device: *mut bindings::pci_dev) -> bool {
    // SAFETY: The caller has a reference to the device.
    super::is_incoming(unsafe { Device::from_raw(device) })
}

/// See [`super::is_expected`].
#[no_mangle]
extern "C" fn pci_liveupdate_is_expected(domain: u32, bdf: u16) -> bool {
    super::is_expected(Address { domain, bdf })
}

/// Decides what is to become of a device at the kexec.
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_at_jump(
    device: *mut bindings::pci_dev,
    jump: bindings::pci_liveupdate_jump,
) {
    // SAFETY: The caller has a reference to the device.
    unsafe { Device::from_raw(device) }.set_at_jump(Jump::new(jump));
}

/// Notes whether a device is to be taken over as it runs.
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_set_running(device: *mut bindings::pci_dev, running: bool) {
    // SAFETY: The caller has a reference to the device.
    let device = unsafe { Device::from_raw(device) };

    device.running().store(running, Relaxed);
}

/// Whether a device is to be taken over as it runs.
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_is_running(device: *mut bindings::pci_dev) -> bool {
    // SAFETY: The caller has a reference to the device.
    unsafe { Device::from_raw(device) }.running().load(Relaxed)
}

/// See [`hooks::set_up`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_setup_device(device: *mut bindings::pci_dev) {
    // SAFETY: The PCI core is setting the device up, and has set what the type asks for.
    hooks::set_up(unsafe { Device::from_raw(device) });
}

/// See [`hooks::clean_up`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_cleanup_device(device: *mut bindings::pci_dev) {
    // SAFETY: The PCI core is removing the device, and has a reference to it.
    hooks::clean_up(unsafe { Device::from_raw(device) });
}

/// See [`hooks::keeps_bus_numbers`].
#[no_mangle]
extern "C" fn pci_liveupdate_preserve_bus_numbers() -> bool {
    hooks::keeps_bus_numbers()
}

/// See [`hooks::refuses_bus_numbers`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_refuse_bus_numbers(
    bus: *mut bindings::pci_bus,
    device: *mut bindings::pci_dev,
) -> bool {
    // SAFETY: The PCI core is scanning the bus, and the bridge is on it.
    let (bus, device) = unsafe { (Bus::from_raw(bus), Device::from_raw(device)) };

    hooks::refuses_bus_numbers(bus, device)
}

/// See [`hooks::note_acs`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_init_acs(device: *mut bindings::pci_dev) {
    // SAFETY: The PCI core is setting the device up.
    hooks::note_acs(unsafe { Device::from_raw(device) });
}

/// See [`hooks::inherit_acs`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_inherit_acs(device: *mut bindings::pci_dev) -> bool {
    // SAFETY: The caller has a reference to the device.
    hooks::inherit_acs(unsafe { Device::from_raw(device) })
}

/// See [`hooks::inherit_ari`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_inherit_ari(bridge: *mut bindings::pci_dev) -> bool {
    // SAFETY: The PCI core is setting up a device behind it.
    hooks::inherit_ari(unsafe { Device::from_raw(bridge) })
}

/// See [`hooks::may_bind`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_may_bind(
    device: *mut bindings::pci_dev,
    can_liveupdate: bool,
) -> bool {
    // SAFETY: The caller has a reference to the device.
    hooks::may_bind(unsafe { Device::from_raw(device) }, can_liveupdate)
}

/// See [`hooks::prepare_probe`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_prepare_probe(device: *mut bindings::pci_dev) -> c_int {
    // SAFETY: The driver core has locked the device, which has no driver yet.
    to_errno(hooks::prepare_probe(&unsafe { Locked::from_raw(device) }))
}

/// See [`hooks::shut_down`].
#[no_mangle]
unsafe extern "C" fn pci_liveupdate_shutdown(device: *mut bindings::pci_dev) -> bool {
    // SAFETY: The driver core has locked the device, and its driver has been told to shut it down or,
    // as it is preserved, has taken it away from its user.
    hooks::shut_down(&unsafe { Locked::from_raw(device) })
}
