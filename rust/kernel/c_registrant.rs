// SPDX-License-Identifier: GPL-2.0

//! What all structures that drivers register through the C interface have in common: callbacks, a
//! module that owns them, and a compatible string.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h).

use core::ptr::NonNull;

use kernel::prelude::*;

use super::bindings;
use super::module_ref::ModuleRef;

/// A C structure that drivers register.
///
/// # Safety
///
/// The functions give out what is in the structure, and do not change it.
pub(crate) unsafe trait Registrant {
    /// What messages call it.
    const NAME: &'static str;

    /// Its callbacks.
    type Ops;

    /// Its compatible string, as wide as the field.
    type Compatible: AsRef<[u8]>;

    /// Its callbacks, or null.
    ///
    /// # Safety
    ///
    /// `this` is valid.
    unsafe fn ops(this: *mut Self) -> *const Self::Ops;

    /// Whether all callbacks are there that must be.
    fn is_complete(ops: &Self::Ops) -> bool;

    /// The module that it lives in; null if that is the kernel itself.
    fn owner(ops: &Self::Ops) -> *mut bindings::module;

    /// The compatible string.
    ///
    /// # Safety
    ///
    /// `this` is valid for `'a`.
    unsafe fn compatible<'a>(this: *mut Self) -> &'a Self::Compatible;
}

/// A registrant that exists for now: while it is registered, or during a call that names it.
///
/// # Invariants
///
/// `ptr` points to a registrant that stays valid while this value exists, and whose required
/// callbacks are there. Its compatible string is ended by NUL and not empty.
pub(crate) struct Registered<R: Registrant> {
    ptr: NonNull<R>,
}

// SAFETY: The registrant is shared between threads by contract, and what is read of it does not
// change.
unsafe impl<R: Registrant> Send for Registered<R> {}
// SAFETY: As above.
unsafe impl<R: Registrant> Sync for Registered<R> {}

impl<R: Registrant> Registered<R> {
    /// Takes what a C caller registers or names. `EINVAL` if it lacks a required callback or its
    /// compatible string is empty or not ended.
    ///
    /// # Safety
    ///
    /// `registrant` is null, or points to one that stays valid and unchanged while the result
    /// exists, and after that for as long as there are references to its module. One without a
    /// module is valid for ever.
    pub(crate) unsafe fn new(registrant: *mut R) -> Result<Self> {
        let ptr = NonNull::new(registrant).ok_or(EINVAL)?;
        // SAFETY: Valid by the contract of this function; null is no reference.
        let ops = unsafe { R::ops(registrant).as_ref() }.ok_or(EINVAL)?;
        // SAFETY: As above.
        let compatible = unsafe { R::compatible(registrant) }.as_ref();

        if !R::is_complete(ops) {
            pr_err!("LUO: {} lacks a required callback\n", R::NAME);
            return Err(EINVAL);
        }
        if compatible.first() == Some(&0) || !compatible.contains(&0) {
            pr_err!("LUO: {} has no valid compatible string\n", R::NAME);
            return Err(EINVAL);
        }
        // INVARIANT: Valid by the contract of this function, the rest was checked.
        Ok(Self { ptr })
    }

    /// Its identity.
    pub(crate) fn as_ptr(&self) -> *mut R {
        self.ptr.as_ptr()
    }

    /// The compatible string, ended by NUL.
    pub(crate) fn compatible(&self) -> &R::Compatible {
        // SAFETY: Valid by the type invariant while `self` is borrowed.
        unsafe { R::compatible(self.as_ptr()) }
    }

    /// The callbacks.
    pub(super) fn ops(&self) -> &R::Ops {
        // SAFETY: By the type invariant the registrant is valid, and its callbacks with it.
        unsafe { &*R::ops(self.as_ptr()) }
    }

    /// Takes a reference for using it; [`None`] when its module is being unloaded.
    pub(crate) fn get(&self) -> Option<Held<R>> {
        // SAFETY: The registrant is valid by the type invariant, so that its module exists.
        let module = unsafe { ModuleRef::get(R::owner(self.ops())) }?;
        // INVARIANT: `module` keeps it valid by the contract of `new`.
        Some(Held {
            registrant: Self { ptr: self.ptr },
            _module: module,
        })
    }
}

/// Right to call a registrant: its module cannot go away.
pub(crate) struct Held<R: Registrant> {
    registrant: Registered<R>,
    _module: ModuleRef,
}

impl<R: Registrant> core::ops::Deref for Held<R> {
    type Target = Registered<R>;

    fn deref(&self) -> &Registered<R> {
        &self.registrant
    }
}

/// Turns the return value of a callback into a result; a positive one is a bug of the driver.
pub(super) fn check(ret: c_int) -> Result {
    match ret {
        0 => Ok(()),
        ret if ret < 0 => Err(Error::from_errno(ret)),
        _ => Err(EINVAL),
    }
}
