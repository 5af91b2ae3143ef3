// SPDX-License-Identifier: GPL-2.0

//! An FLB for tests: counts the calls to it, and fails when it is told to.

use core::mem::MaybeUninit;

use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::Relaxed;
use kernel::types::Opaque;

use super::bindings;
use super::CFlb;
use super::FlbRef;

/// Number of calls to each callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) preserve: u32,
    pub(crate) unpreserve: u32,
    pub(crate) retrieve: u32,
    pub(crate) finish: u32,
}

/// An FLB that saves nothing. To be put in a static.
#[repr(C)]
pub(crate) struct Fake {
    raw: Opaque<bindings::liveupdate_flb>,
    preserve: Atomic<u32>,
    unpreserve: Atomic<u32>,
    retrieve: Atomic<u32>,
    finish: Atomic<u32>,
    error: Atomic<i32>,
}

// SAFETY: `raw` is not written once it is made, and the rest is atomic.
unsafe impl Sync for Fake {}

impl Fake {
    /// The compatible string.
    pub(crate) const COMPATIBLE: &'static [u8; 48] = &{
        let mut name = [0; 48];
        let (head, _) = name.split_at_mut(4);
        head.copy_from_slice(b"fake");
        name
    };

    /// What it saves for the next kernel.
    pub(crate) const DATA: u64 = 0x1234_5678_9abc_def0;

    const OPS: bindings::liveupdate_flb_ops = bindings::liveupdate_flb_ops {
        preserve: Some(Self::on_preserve),
        unpreserve: Some(Self::on_unpreserve),
        retrieve: Some(Self::on_retrieve),
        finish: Some(Self::on_finish),
        owner: core::ptr::null_mut(),
    };

    /// One that nobody has called.
    pub(crate) const fn new() -> Self {
        // SAFETY: All zeroes is what C statics of this type start as, too.
        let mut raw: bindings::liveupdate_flb = unsafe { MaybeUninit::zeroed().assume_init() };
        raw.ops = &Self::OPS;
        raw.compatible = *Self::COMPATIBLE;
        Self {
            raw: Opaque::new(raw),
            preserve: Atomic::new(0),
            unpreserve: Atomic::new(0),
            retrieve: Atomic::new(0),
            finish: Atomic::new(0),
            error: Atomic::new(0),
        }
    }

    /// A reference for calling it.
    pub(crate) fn get(&'static self) -> Result<FlbRef> {
        // SAFETY: A static without a module is valid for ever.
        unsafe { CFlb::new(self.raw.get()) }?.get().ok_or(ENODEV)
    }

    /// Makes saving and restoring fail, or work again.
    pub(crate) fn fail_with(&self, error: Option<Error>) {
        self.error.store(error.map_or(0, Error::to_errno), Relaxed);
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Calls {
        Calls {
            preserve: self.preserve.load(Relaxed),
            unpreserve: self.unpreserve.load(Relaxed),
            retrieve: self.retrieve.load(Relaxed),
            finish: self.finish.load(Relaxed),
        }
    }

    /// # Safety
    ///
    /// `args` is valid, and its `flb` is that of a fake in a static.
    unsafe fn of(args: *mut bindings::liveupdate_flb_op_args) -> &'static Self {
        // SAFETY: By the contract of this function; `raw` is at the address of the whole.
        unsafe { &*(*args).flb.cast::<Self>() }
    }

    /// Counts the call, and does what the test wants.
    ///
    /// # Safety
    ///
    /// Called by the core with arguments as the C interface has them.
    unsafe extern "C" fn on_preserve(args: *mut bindings::liveupdate_flb_op_args) -> c_int {
        // SAFETY: The only FLBs with these callbacks are fakes.
        let this = unsafe { Self::of(args) };

        this.preserve.fetch_add(1, Relaxed);
        // SAFETY: The arguments are lent for the length of the call.
        unsafe {
            (*args).data = Self::DATA;
            (*args).obj = (*args).flb.cast();
        }
        this.error.load(Relaxed)
    }

    /// Counts the call, and does what the test wants.
    ///
    /// # Safety
    ///
    /// Called by the core with arguments as the C interface has them.
    unsafe extern "C" fn on_unpreserve(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: The only FLBs with these callbacks are fakes.
        unsafe { Self::of(args) }.unpreserve.fetch_add(1, Relaxed);
    }

    /// Counts the call, and does what the test wants.
    ///
    /// # Safety
    ///
    /// Called by the core with arguments as the C interface has them.
    unsafe extern "C" fn on_retrieve(args: *mut bindings::liveupdate_flb_op_args) -> c_int {
        // SAFETY: The only FLBs with these callbacks are fakes.
        let this = unsafe { Self::of(args) };

        this.retrieve.fetch_add(1, Relaxed);
        // SAFETY: The arguments are lent for the length of the call.
        unsafe {
            if (*args).data != Self::DATA {
                return EINVAL.to_errno();
            }
            (*args).obj = (*args).flb.cast();
        }
        this.error.load(Relaxed)
    }

    /// Counts the call, and does what the test wants.
    ///
    /// # Safety
    ///
    /// Called by the core with arguments as the C interface has them.
    unsafe extern "C" fn on_finish(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: The only FLBs with these callbacks are fakes.
        unsafe { Self::of(args) }.finish.fetch_add(1, Relaxed);
    }
}
