// SPDX-License-Identifier: GPL-2.0

//! PCI devices, as far as a live update has to do with them.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h). The kernel crate's
//! `pci::Device` is for drivers of a device; this is for code that sees all of them, from the moment
//! that the PCI core finds one.

use core::iter;

use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::AtomicType;
use kernel::sync::atomic::Relaxed;
use kernel::types::Opaque;

use crate::abi::pci::Address;

use super::bindings;

/// Bus Master Enable in the register [`COMMAND`].
const COMMAND_MASTER: u16 = bindings::PCI_COMMAND_MASTER as u16;

/// Interrupt Disable in the register [`COMMAND`].
const COMMAND_INTX_DISABLE: u16 = bindings::PCI_COMMAND_INTX_DISABLE as u16;

/// ARI Forwarding Enable in the register Device Control 2.
const ARI_FORWARDING: u16 = bindings::PCI_EXP_DEVCTL2_ARI as u16;

/// The offset of the command register in configuration space.
const COMMAND: u16 = bindings::PCI_COMMAND as u16;

/// What is to become of a preserved device when nothing can stop the kexec any more.
///
/// C counterpart: `enum pci_liveupdate_jump`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Jump {
    /// It goes on.
    Leave = bindings::pci_liveupdate_jump_PCI_LIVEUPDATE_LEAVE,
    /// It is kept from reaching memory and from interrupting.
    Stop = bindings::pci_liveupdate_jump_PCI_LIVEUPDATE_STOP,
    /// The same, and it is reset if that is possible.
    Reset = bindings::pci_liveupdate_jump_PCI_LIVEUPDATE_RESET,
}

impl Jump {
    /// What C says. What it does not say is to go on.
    pub(crate) fn new(raw: u32) -> Self {
        [Self::Stop, Self::Reset]
            .into_iter()
            .find(|jump| *jump as u32 == raw)
            .unwrap_or(Self::Leave)
    }
}

/// A PCI device, or a bridge.
///
/// C counterpart: `struct pci_dev`.
///
/// # Invariants
///
/// It exists for as long as there is a reference to this; its bus, address and header type are set.
#[repr(transparent)]
pub(crate) struct Device(Opaque<bindings::pci_dev>);

impl Device {
    /// Wraps what C knows.
    ///
    /// # Safety
    ///
    /// `raw` is a device that exists for `'a`, and whose bus, address and header type are set.
    pub(crate) unsafe fn from_raw<'a>(raw: *mut bindings::pci_dev) -> &'a Self {
        // INVARIANT: By the caller's promise.
        // SAFETY: `Opaque` has the layout of what it wraps.
        unsafe { &*raw.cast::<Self>() }
    }

    /// What C knows.
    pub(super) fn as_raw(&self) -> *mut bindings::pci_dev {
        self.0.get()
    }

    /// Where it is.
    pub(crate) fn address(&self) -> Address {
        // SAFETY: By the type invariant.
        let (domain, bdf) = unsafe {
            (
                bindings::lu_pci_domain(self.as_raw()),
                bindings::lu_pci_bdf(self.as_raw()),
            )
        };

        Address { domain, bdf }
    }

    /// Whether it is a virtual function (SR-IOV).
    pub(crate) fn is_virtual(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::lu_pci_is_virtual(self.as_raw()) }
    }

    /// Whether it is a bridge to another bus.
    pub(crate) fn is_bridge(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::lu_pci_is_bridge(self.as_raw()) }
    }

    /// The bridge that it is behind; [`None`] on a root bus.
    pub(crate) fn upstream_bridge(&self) -> Option<&Self> {
        // SAFETY: By the type invariant.
        let bridge = unsafe { bindings::lu_pci_upstream_bridge(self.as_raw()) };

        if bridge.is_null() {
            return None;
        }
        // SAFETY: Not null. A device holds a reference to the bus that it is on, and that to the bridge
        // which leads there.
        Some(unsafe { Self::from_raw(bridge) })
    }

    /// The device itself, the bridge that it is behind, and so on up to the root bus.
    pub(crate) fn path(&self) -> impl Iterator<Item = &Self> {
        iter::successors(Some(self), |device| device.upstream_bridge())
    }

    /// Reads a word of configuration space. [`None`] where the device does not answer.
    fn config_word(&self, offset: u16) -> Option<u16> {
        let mut value = 0;

        // SAFETY: By the type invariant; `value` is there to be written.
        let status =
            unsafe { bindings::pci_read_config_word(self.as_raw(), offset.into(), &raw mut value) };
        (status == 0).then_some(value)
    }

    /// Writes a word of configuration space.
    fn set_config_word(&self, offset: u16, value: u16) {
        // SAFETY: By the type invariant. The words that are written are named in this file, and none
        // of them moves what others rely on. A device that is gone does not answer, and that is all.
        unsafe { bindings::pci_write_config_word(self.as_raw(), offset.into(), value) };
    }

    /// Whether it may reach memory on its own (Bus Master Enable).
    pub(crate) fn is_master(&self) -> bool {
        self.config_word(COMMAND)
            .is_some_and(|command| command & COMMAND_MASTER != 0)
    }

    /// Keeps it from reaching memory on its own, and so from interrupting by message.
    pub(crate) fn clear_master(&self) {
        // SAFETY: By the type invariant. Devices that someone drives are not asked for this before their
        // driver is shut down.
        unsafe { bindings::pci_clear_master(self.as_raw()) };
    }

    /// Keeps it from asserting an interrupt line.
    pub(crate) fn disable_intx(&self) {
        if let Some(command) = self.config_word(COMMAND) {
            self.set_config_word(COMMAND, command | COMMAND_INTX_DISABLE);
        }
    }

    /// The offset of its ACS controls, if it has any.
    fn acs_controls(&self) -> Option<u16> {
        // SAFETY: By the type invariant. Written once, while the device is being found.
        match unsafe { (*self.as_raw()).acs_cap } {
            0 => None,
            capability => Some(capability + bindings::PCI_ACS_CTRL as u16),
        }
    }

    /// Remembers its ACS controls as they are.
    pub(crate) fn note_acs(&self) {
        if let Some(controls) = self.acs_controls().and_then(|at| self.config_word(at)) {
            self.acs_ctrl().store(controls.into(), Relaxed);
        }
    }

    /// Sets its ACS controls to what was [noted](Self::note_acs).
    pub(crate) fn restore_acs(&self) {
        if let Some(at) = self.acs_controls() {
            // What was noted is a word.
            self.set_config_word(at, self.acs_ctrl().load(Relaxed) as u16);
        }
    }

    /// Takes over from a bridge whether it forwards to more than eight functions of a device (ARI).
    pub(crate) fn adopt_ari(&self) {
        let mut controls = 0;

        // SAFETY: By the type invariant; `controls` is there to be written.
        let status = unsafe {
            bindings::pcie_capability_read_word(
                self.as_raw(),
                bindings::PCI_EXP_DEVCTL2 as c_int,
                &raw mut controls,
            )
        };
        let forwards = status == 0 && controls & ARI_FORWARDING != 0;
        // SAFETY: By the type invariant. The caller is setting the device up.
        unsafe { bindings::lu_pci_set_ari(self.as_raw(), forwards) };
    }

    /// A field that live update keeps with the device.
    fn field<T: AtomicType>(
        &self,
        field: impl FnOnce(*mut bindings::pci_liveupdate) -> *mut T,
    ) -> &Atomic<T> {
        // SAFETY: By the type invariant, this stays within the device.
        let state = unsafe { &raw mut (*self.as_raw()).liveupdate };

        // SAFETY: The functions below name fields of the structure. Only these touch them, but for C
        // that reads `was_incoming` with the lock held that is held where it is written.
        unsafe { Atomic::from_ptr(field(state)) }
    }

    /// Where it is in the table for the next kernel, counted from 1; 0 if it is not.
    pub(crate) fn slot(&self) -> &Atomic<u32> {
        // SAFETY: `field` passes a valid pointer.
        self.field(|state| unsafe { &raw mut (*state).slot })
    }

    fn acs_ctrl(&self) -> &Atomic<u32> {
        // SAFETY: `field` passes a valid pointer.
        self.field(|state| unsafe { &raw mut (*state).acs_ctrl })
    }

    /// Whether the previous kernel preserved it and nobody has finished it.
    pub(crate) fn incoming(&self) -> &Atomic<bool> {
        // SAFETY: `field` passes a valid pointer.
        self.field(|state| unsafe { &raw mut (*state).incoming })
    }

    /// Whether the previous kernel preserved it.
    pub(crate) fn was_incoming(&self) -> &Atomic<bool> {
        // SAFETY: `field` passes a valid pointer.
        self.field(|state| unsafe { &raw mut (*state).was_incoming })
    }

    /// Whether nobody knows what the previous kernel left it doing.
    pub(crate) fn needs_reset(&self) -> &Atomic<bool> {
        // SAFETY: `field` passes a valid pointer.
        self.field(|state| unsafe { &raw mut (*state).needs_reset })
    }

    /// Whether the previous kernel left it doing what it did.
    pub(crate) fn running(&self) -> &Atomic<bool> {
        // SAFETY: `field` passes a valid pointer.
        self.field(|state| unsafe { &raw mut (*state).running })
    }

    /// What is to become of it at the kexec.
    pub(crate) fn at_jump(&self) -> Jump {
        // SAFETY: `field` passes a valid pointer.
        let at_jump = self.field(|state| unsafe { &raw mut (*state).at_jump });

        Jump::new(at_jump.load(Relaxed))
    }

    /// Decides what is to become of it at the kexec.
    pub(crate) fn set_at_jump(&self, jump: Jump) {
        // SAFETY: `field` passes a valid pointer.
        let at_jump = self.field(|state| unsafe { &raw mut (*state).at_jump });

        at_jump.store(jump as u32, Relaxed);
    }
}

/// A PCI device whose lock is held: drivers neither come nor go.
pub(crate) struct Locked<'a>(&'a Device);

impl<'a> Locked<'a> {
    /// Wraps what C knows.
    ///
    /// # Safety
    ///
    /// As for [`Device::from_raw`]. For `'a` the lock of the device is held, and its driver, if it has one, does
    /// nothing with it.
    pub(crate) unsafe fn from_raw(raw: *mut bindings::pci_dev) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { Device::from_raw(raw) })
    }

    /// The device.
    pub(crate) fn device(&self) -> &'a Device {
        self.0
    }

    /// Resets it and restores its configuration space. May sleep.
    ///
    /// `ENOTTY` if there is no way to reset it without others. C counterpart:
    /// `pci_reset_function_locked()`.
    pub(crate) fn reset(&self) -> Result {
        // Userspace must not see it, nor write to it, half-way; a reset of the bus is one of the bridge.
        let _bridge = self.0.upstream_bridge().map(ConfigAccess::block);
        let _device = ConfigAccess::block(self.0);

        // SAFETY: By the promise made to `from_raw`.
        to_result(unsafe { bindings::pci_reset_function_locked(self.0.as_raw()) })
    }
}

/// That userspace waits with access to the configuration space of a device, until this is dropped.
struct ConfigAccess<'a>(&'a Device);

impl<'a> ConfigAccess<'a> {
    /// May sleep.
    fn block(device: &'a Device) -> Self {
        // SAFETY: By the type invariant.
        unsafe { bindings::pci_cfg_access_lock(device.as_raw()) };
        Self(device)
    }
}

impl Drop for ConfigAccess<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this was blocked above.
        unsafe { bindings::pci_cfg_access_unlock(self.0.as_raw()) };
    }
}

/// A PCI bus.
///
/// C counterpart: `struct pci_bus`.
#[repr(transparent)]
pub(crate) struct Bus(Opaque<bindings::pci_bus>);

impl Bus {
    /// Wraps what C knows.
    ///
    /// # Safety
    ///
    /// `raw` is a bus that exists for `'a`, and to which no device comes and from which none goes
    /// meanwhile.
    pub(crate) unsafe fn from_raw<'a>(raw: *mut bindings::pci_bus) -> &'a Self {
        // SAFETY: `Opaque` has the layout of what it wraps.
        unsafe { &*raw.cast::<Self>() }
    }

    /// A bridge on this bus that came from the previous kernel and that was found without bus numbers.
    pub(crate) fn bridge_without_numbers(&self) -> Option<&Device> {
        // SAFETY: The bus exists, and its devices stay.
        let bridge = unsafe { bindings::lu_pci_bridge_without_bus(self.0.get()) };

        if bridge.is_null() {
            return None;
        }
        // SAFETY: Not null, hence a device that the PCI core has found.
        Some(unsafe { Device::from_raw(bridge) })
    }
}
