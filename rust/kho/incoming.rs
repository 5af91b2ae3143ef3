// SPDX-License-Identifier: GPL-2.0

//! What is known about the handover from the previous kernel, and whether KHO is on at all.

use kernel::sync::atomic::Acquire;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::AtomicFlag;
use kernel::sync::atomic::Relaxed;
use kernel::sync::atomic::Release;
use kernel::sync::SetOnce;

use crate::kernel::early::ReservedForever;
use crate::kernel::fdt::Fdt;

/// `kho=`, and whether the outgoing side could be set up.
static ENABLED: AtomicFlag = AtomicFlag::new(cfg!(CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT));

/// Whether this kernel was booted with a handover that it believes.
static BOOTED: AtomicFlag = AtomicFlag::new(false);

/// The root device tree, once it is certain that it is preserved.
static ROOT: SetOnce<ReservedForever> = SetOnce::new();

/// Number of kexec boots before this one.
static KEXEC_COUNT: Atomic<u32> = Atomic::new(0);

/// Whether KHO is on. C counterpart: `kho_is_enabled()`.
pub(crate) fn is_enabled() -> bool {
    ENABLED.load(Relaxed)
}

/// Switches KHO on or off. Only in early boot, and off when setting it up failed.
pub(super) fn set_enabled(on: bool) {
    ENABLED.store(on, Relaxed);
}

/// Whether there is a handover to restore from. C counterpart: `is_kho_boot()`.
pub(crate) fn is_kho_boot() -> bool {
    BOOTED.load(Acquire)
}

/// Early boot has found handover data that look right.
pub(super) fn found() {
    BOOTED.store(true, Release);
}

/// The handover data turned out to be wrong: nothing can be restored from now on.
pub(super) fn give_up() {
    BOOTED.store(false, Release);
}

/// The map of preserved memory is sound, and has the root device tree.
pub(super) fn accept(root: ReservedForever) {
    ROOT.populate(root);
}

/// The root device tree of the previous kernel, if there is a handover to restore from.
pub(super) fn root() -> Option<Fdt<'static>> {
    if !is_kho_boot() {
        return None;
    }
    Fdt::new(ROOT.as_ref()?.bytes()).ok()
}

/// Number of kexec boots before this one; 0 after a cold boot.
pub(super) fn kexec_count() -> u32 {
    KEXEC_COUNT.load(Relaxed)
}

/// Remembers what the previous kernel says of the number of kexec boots.
pub(super) fn set_kexec_count(count: u32) {
    KEXEC_COUNT.store(count, Relaxed);
}
