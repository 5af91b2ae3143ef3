// SPDX-License-Identifier: GPL-2.0

//! References that keep a module loaded.
//!
//! C counterpart: `try_module_get()` and `module_put()`.

use super::bindings;

/// Keeps a module loaded; for code that is built in, keeps nothing.
///
/// # Invariants
///
/// The pointer is null, or this value owns one reference to that module.
pub(crate) struct ModuleRef(*mut bindings::module);

// SAFETY: The count behind a module reference is atomic; any thread may put it.
unsafe impl Send for ModuleRef {}
// SAFETY: Shared access to a `ModuleRef` does nothing.
unsafe impl Sync for ModuleRef {}

impl ModuleRef {
    /// Takes a reference to `owner`; [`None`] when it is being unloaded.
    ///
    /// # Safety
    ///
    /// `owner` is null, or points to a module that exists for the duration of the call.
    pub(super) unsafe fn get(owner: *mut bindings::module) -> Option<Self> {
        // SAFETY: The caller says that the module exists; null is allowed.
        if unsafe { bindings::lu_module_get(owner) } {
            // INVARIANT: The reference was just taken.
            Some(Self(owner))
        } else {
            None
        }
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this gives up a reference that we own, or does nothing.
        unsafe { bindings::lu_module_put(self.0) };
    }
}
