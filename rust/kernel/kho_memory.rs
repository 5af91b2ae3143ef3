// SPDX-License-Identifier: GPL-2.0

//! Memory that crosses a live update, for handlers in modules.
//!
//! Built-in code has [`crate::kho`], which this is like. This goes through what KHO exports to
//! modules.
//!
//! C header: [`include/linux/kexec_handover.h`](srctree/include/linux/kexec_handover.h)

use core::ptr::NonNull;

use kernel::error::from_err_ptr;
use kernel::prelude::*;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

use crate::abi::addr::PhysAddr;

use super::bindings;
use super::direct_map;

/// A value in memory of its own, which the next kernel will find where it is.
///
/// Dropping it unpreserves and frees the memory.
///
/// C counterpart: `kho_alloc_preserve()`, `kho_unpreserve_free()`.
///
/// # Invariants
///
/// The pointer came from `kho_alloc_preserve()`, is nobody else's, and there is a `T` behind it.
pub(crate) struct Preserved<T>(NonNull<T>);

// SAFETY: It owns the memory, which nothing ties to a thread.
unsafe impl<T: Send> Send for Preserved<T> {}
// SAFETY: Shared references give shared references to the value.
unsafe impl<T: Sync> Sync for Preserved<T> {}

impl<T: IntoBytes + Immutable> Preserved<T> {
    /// Preserves `value`. May sleep.
    ///
    /// `EINVAL` with KHO off, `ENOMEM`.
    pub(crate) fn new(value: T) -> Result<Self> {
        const { assert!(align_of::<T>() <= kernel::page::PAGE_SIZE) };
        // SAFETY: There is nothing to promise.
        let memory = from_err_ptr(unsafe { bindings::kho_alloc_preserve(size_of::<T>()) })?;
        let memory = NonNull::new(memory).ok_or(ENOMEM)?.cast::<T>();

        // SAFETY: The memory is new, at least this long, and begins with a page.
        unsafe { memory.write(value) };
        // INVARIANT: It came from there just now.
        Ok(Self(memory))
    }
}

impl<T> Preserved<T> {
    /// The physical address of the value.
    pub(crate) fn phys(&self) -> u64 {
        // By the type invariant, this is in the direct map.
        direct_map::phys_of(self.0.as_ptr()).get()
    }

    /// The value, to be changed.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for Preserved<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Values are plain bytes, with nothing to drop.
        unsafe { bindings::kho_unpreserve_free(self.0.as_ptr().cast()) };
    }
}

/// Takes the value at the physical address `phys`, which is input, and frees the memory.
///
/// `ENOENT` if nothing preserved begins there, `EINVAL` if that is shorter than a value.
///
/// C counterpart: `kho_restore_folio()`.
pub(crate) fn take<T: FromBytes>(phys: u64) -> Result<T> {
    // SAFETY: Any number may be asked for: what was not preserved is not found.
    let folio = NonNull::new(unsafe { bindings::kho_restore_folio(phys) }).ok_or(ENOENT)?;
    // SAFETY: The folio is ours, as the call gives out each but once, and begins at `phys`.
    let bytes = unsafe {
        core::slice::from_raw_parts(
            direct_map::address_of(PhysAddr::new(phys)),
            bindings::lu_vfio_folio_size(folio.as_ptr()),
        )
    };
    let value = T::read_from_prefix(bytes).map(|(value, _)| value);

    // SAFETY: It is ours, and `bytes` is not used any more.
    unsafe { bindings::lu_folio_put(folio.as_ptr()) };
    value.map_err(|_| EINVAL)
}
