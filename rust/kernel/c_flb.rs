// SPDX-License-Identifier: GPL-2.0

//! Objects that files share (FLBs) and that came through the C interface, safe to call.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h), `struct
//! liveupdate_flb`.

use core::ptr;

use kernel::prelude::*;

use crate::abi::luo::FLB_COMPAT_LEN;

use super::bindings;
use super::c_registrant::check;
use super::c_registrant::Held;
use super::c_registrant::Registered;
use super::c_registrant::Registrant;

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
pub(crate) type CFlb = Registered<bindings::liveupdate_flb>;

/// Right to call an FLB.
pub(crate) type FlbRef = Held<bindings::liveupdate_flb>;

// SAFETY: The functions only read the structure.
unsafe impl Registrant for bindings::liveupdate_flb {
    const NAME: &'static str = "an FLB";

    type Ops = bindings::liveupdate_flb_ops;
    type Compatible = [u8; FLB_COMPAT_LEN];

    unsafe fn ops(this: *mut Self) -> *const Self::Ops {
        // SAFETY: By the caller's promise.
        unsafe { (*this).ops }
    }

    fn is_complete(ops: &Self::Ops) -> bool {
        ops.preserve.is_some()
            && ops.unpreserve.is_some()
            && ops.retrieve.is_some()
            && ops.finish.is_some()
    }

    fn owner(ops: &Self::Ops) -> *mut bindings::module {
        ops.owner
    }

    unsafe fn compatible<'a>(this: *mut Self) -> &'a Self::Compatible {
        // SAFETY: By the caller's promise. `c_char` is `u8`.
        unsafe { &(*this).compatible }
    }
}

impl FlbRef {
    fn args(&self, data: u64, obj: FlbObject) -> bindings::liveupdate_flb_op_args {
        bindings::liveupdate_flb_op_args {
            flb: self.as_ptr(),
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
