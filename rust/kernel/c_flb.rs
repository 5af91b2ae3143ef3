// SPDX-License-Identifier: GPL-2.0

//! Objects that files share (FLBs) and that came through the C interface, safe to call.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h), `struct
//! liveupdate_flb`.

use core::ptr;
use core::ptr::NonNull;

use kernel::prelude::*;

use crate::abi::luo::FLB_COMPAT_LEN;

use super::bindings;
use super::c_handler::check;
use super::module_ref::ModuleRef;

/// The live object behind an FLB, as its callbacks made it. Opaque here.
#[derive(Clone, Copy)]
pub(crate) struct FlbObject(*mut c_void);

// SAFETY: This is a token that only the FLB's users look behind; C calls them from any thread.
unsafe impl Send for FlbObject {}
// SAFETY: As above.
unsafe impl Sync for FlbObject {}

impl FlbObject {
    /// No object; C callbacks need not make one.
    pub(crate) const NONE: Self = Self(ptr::null_mut());

    /// Whether there is no object.
    pub(crate) fn is_none(self) -> bool {
        self.0.is_null()
    }

    /// What C callers get.
    pub(crate) fn as_ptr(self) -> *mut c_void {
        self.0
    }
}

/// An FLB that exists for now: while it is registered, or during a call that names it.
///
/// # Invariants
///
/// `ptr` points to an FLB that stays valid while this value exists, and that has all callbacks.
/// Its compatible string is ended by NUL and not empty.
pub(crate) struct CFlb {
    ptr: NonNull<bindings::liveupdate_flb>,
}

// SAFETY: What is read of the FLB does not change.
unsafe impl Send for CFlb {}
// SAFETY: As above.
unsafe impl Sync for CFlb {}

impl CFlb {
    /// Takes an FLB that a C caller named. `EINVAL` if it lacks a callback or its compatible
    /// string is empty or not ended.
    ///
    /// # Safety
    ///
    /// `flb` is null, or points to an FLB that stays valid while the result exists, and after that
    /// for as long as there are references to its module. One without a module is valid for ever.
    pub(crate) unsafe fn new(flb: *mut bindings::liveupdate_flb) -> Result<Self> {
        let ptr = NonNull::new(flb).ok_or(EINVAL)?;
        // INVARIANT: Valid by the contract of this function, the rest is checked below.
        let flb = Self { ptr };
        // SAFETY: Valid by the contract of this function; null is no reference.
        let ops = unsafe { (*ptr.as_ptr()).ops.as_ref() }.ok_or(EINVAL)?;

        if ops.preserve.is_none()
            || ops.unpreserve.is_none()
            || ops.retrieve.is_none()
            || ops.finish.is_none()
        {
            pr_err!("LUO: an FLB without all callbacks cannot be used\n");
            return Err(EINVAL);
        }
        let compatible = flb.compatible();
        if compatible[0] == 0 || !compatible.contains(&0) {
            pr_err!("LUO: an FLB without a valid compatible string cannot be used\n");
            return Err(EINVAL);
        }
        Ok(flb)
    }

    /// Identity of the FLB.
    pub(crate) fn as_ptr(&self) -> *mut bindings::liveupdate_flb {
        self.ptr.as_ptr()
    }

    /// The compatible string, ended by NUL.
    pub(crate) fn compatible(&self) -> &[u8; FLB_COMPAT_LEN] {
        // SAFETY: Valid by the type invariant. `c_char` is `u8`.
        unsafe { &(*self.ptr.as_ptr()).compatible }
    }

    /// Takes a reference for using the FLB; [`None`] when its module is being unloaded.
    pub(crate) fn get(&self) -> Option<FlbRef> {
        // SAFETY: The FLB is valid by the type invariant, so that its module exists.
        let module = unsafe { ModuleRef::get((*(*self.as_ptr()).ops).owner) }?;
        // INVARIANT: `module` keeps the FLB valid by the contract of `new`.
        Some(FlbRef {
            ptr: self.ptr,
            _module: module,
        })
    }
}

/// Right to call an FLB.
///
/// # Invariants
///
/// `ptr` points to an FLB that stays valid while `_module` exists, with all callbacks and a
/// compatible string that is ended by NUL.
pub(crate) struct FlbRef {
    ptr: NonNull<bindings::liveupdate_flb>,
    _module: ModuleRef,
}

// SAFETY: What is read of the FLB does not change.
unsafe impl Send for FlbRef {}
// SAFETY: As above.
unsafe impl Sync for FlbRef {}

impl FlbRef {
    fn ops(&self) -> &bindings::liveupdate_flb_ops {
        // SAFETY: By the type invariant the FLB is valid, and its operations with it.
        unsafe { &*(*self.ptr.as_ptr()).ops }
    }

    fn args(&self, data: u64, obj: FlbObject) -> bindings::liveupdate_flb_op_args {
        bindings::liveupdate_flb_op_args {
            flb: self.ptr.as_ptr(),
            data,
            obj: obj.0,
        }
    }

    /// Saves the shared state. Returns the handle for the next kernel and the live object.
    pub(crate) fn preserve(&self) -> Result<(u64, FlbObject)> {
        let preserve = self.ops().preserve.ok_or(EINVAL)?;
        let mut args = self.args(0, FlbObject::NONE);

        // SAFETY: The arguments are what the contract of the callback asks for.
        check(unsafe { preserve(&mut args) })?;
        Ok((args.data, FlbObject(args.obj)))
    }

    /// Undoes [`Self::preserve`], which returned `data` and `obj`.
    pub(crate) fn unpreserve(&self, data: u64, obj: FlbObject) {
        let mut args = self.args(data, obj);

        if let Some(unpreserve) = self.ops().unpreserve {
            // SAFETY: The arguments are what the callback returned before.
            unsafe { unpreserve(&mut args) };
        }
    }

    /// Makes the live object out of what the previous kernel left.
    ///
    /// `data` is input from another kernel: what is behind it is the FLB's to check.
    pub(crate) fn retrieve(&self, data: u64) -> Result<FlbObject> {
        let retrieve = self.ops().retrieve.ok_or(EINVAL)?;
        let mut args = self.args(data, FlbObject::NONE);

        // SAFETY: The arguments are what the contract of the callback asks for.
        check(unsafe { retrieve(&mut args) })?;
        Ok(FlbObject(args.obj))
    }

    /// Lets the FLB clean up, now that no file needs `obj` any more.
    pub(crate) fn finish(&self, obj: FlbObject) {
        let mut args = self.args(0, obj);

        if let Some(finish) = self.ops().finish {
            // SAFETY: `obj` is what the callback `retrieve` returned.
            unsafe { finish(&mut args) };
        }
    }
}

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
#[path = "c_flb_fake.rs"]
pub(crate) mod fake;
