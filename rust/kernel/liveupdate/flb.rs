// SPDX-License-Identifier: GPL-2.0

//! State that several preserved files share, saved once for all of them.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h)
//!
//! "FLB" is *file-lifecycle-bound*. The orchestrator counts the files that depend on the state: it
//! is saved with the first one that is preserved, and let go with the last one that is unpreserved
//! or, in the new kernel, finished.
//!
//! # Example
//!
//! All files of a driver use one table, which fits into a page.
//!
//! ```ignore
//! use kernel::{prelude::*, sync::Arc};
//!
//! use crate::abi::addr::PhysAddr;
//! use crate::kernel::liveupdate::flb::{Flb, Outgoing, Shared};
//! use crate::kho::{Handed, Preserved};
//!
//! struct Tables;
//!
//! impl Flb for Tables {
//!     const COMPATIBLE: &'static CStr = c"counter-table-v1";
//!     type Outgoing = KBox<Preserved>;
//!     type Incoming = Arc<counter::Table>;
//!
//!     fn preserve(&self) -> Result<Outgoing<Self::Outgoing>> {
//!         let mut memory = Preserved::new(counter::TABLE_BYTES)?;
//!         counter::save_table(memory.bytes_mut())?;
//!         Ok(Outgoing {
//!             data: memory.phys().get(),
//!             object: KBox::new(memory, GFP_KERNEL)?,
//!         })
//!     }
//!
//!     fn unpreserve(&self, _outgoing: Outgoing<Self::Outgoing>) {}
//!
//!     fn retrieve(&self, data: u64) -> Result<Self::Incoming> {
//!         let memory = Handed::claim(PhysAddr::new(data))?;
//!         // Checks what it reads.
//!         let table = counter::load_table(memory.bytes());
//!         memory.free();
//!         table
//!     }
//!
//!     fn finish(&self, _object: Self::Incoming) {}
//! }
//!
//! static TABLES: Shared<Tables> = Shared::new(Tables);
//!
//! // COUNTER_FILES is the example of the module above.
//! pub(crate) fn init() -> Result {
//!     COUNTER_FILES.register()?;
//!     COUNTER_FILES.attach(&TABLES)
//! }
//!
//! // From the handler's `retrieve()`: the first call makes the table.
//! fn name_of(number: u64) -> Result<CString> {
//!     let table = TABLES.incoming()?;
//!     table.get().name(number)
//! }
//! ```

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr;

use kernel::error::from_result;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::types::ForeignOwnable;
use kernel::types::Opaque;

use crate::kernel::bindings;

/// Shared state that is preserved for the next kernel, as [`Flb::preserve`] made it.
pub(crate) struct Outgoing<O> {
    /// What the next kernel is given. Usually a physical address in preserved memory.
    pub(crate) data: u64,
    /// What this kernel keeps until the state is unpreserved.
    pub(crate) object: O,
}

/// State that several preserved files share.
///
/// Calls for one FLB exclude each other and may sleep. They must not call [`Shared::outgoing`] or
/// [`Shared::incoming`] of the same FLB, which wait for them to end.
///
/// C counterpart: `struct liveupdate_flb_ops`.
pub(crate) trait Flb: Send + Sync + Sized + 'static {
    /// Name and version of the format. Shorter than `LIVEUPDATE_FLB_COMPAT_LENGTH` bytes, which is
    /// checked when the kernel is compiled.
    const COMPATIBLE: &'static CStr;

    /// The state in the kernel that preserves it.
    type Outgoing: ForeignOwnable + Send + Sync;

    /// The state in the kernel that got it back.
    type Incoming: ForeignOwnable + Send + Sync;

    /// Saves the state, when the first file that depends on it is being preserved.
    fn preserve(&self) -> Result<Outgoing<Self::Outgoing>>;

    /// Undoes [`preserve`](Self::preserve), when the last such file is unpreserved.
    fn unpreserve(&self, outgoing: Outgoing<Self::Outgoing>);

    /// Makes the state from what the previous kernel saved, the first time that it is wanted.
    ///
    /// Called at most once. `data` is input and must be checked.
    fn retrieve(&self, data: u64) -> Result<Self::Incoming>;

    /// Ends the live update for the state, when the last file that depends on it is finished.
    fn finish(&self, object: Self::Incoming);
}

/// An [`Flb`] as the orchestrator knows it. To be put in a static.
///
/// C counterpart: `struct liveupdate_flb`.
///
/// # Invariants
///
/// `raw` is at the address of the whole. Its `ops` are those of [`VTable`] for the same `F`; the
/// rest belongs to the orchestrator.
#[repr(C)]
pub(crate) struct Shared<F: Flb> {
    raw: Opaque<bindings::liveupdate_flb>,
    inner: F,
}

// SAFETY: `raw` is only touched by the orchestrator under its own locks, and `F` is `Sync`. The
// objects behind it are `Send` and `Sync`.
unsafe impl<F: Flb> Sync for Shared<F> {}

impl<F: Flb> Shared<F> {
    /// Wraps `inner`, for [`Handler::attach`](super::Handler::attach) to make known.
    pub(crate) const fn new(inner: F) -> Self {
        let zeroed = MaybeUninit::<bindings::liveupdate_flb>::zeroed();
        // SAFETY: The type consists of integers, lists and pointers that may be null. All zeroes
        // is what C statics of this type start as, too.
        let mut raw = unsafe { zeroed.assume_init() };
        raw.ops = &VTable::<F>::OPS;
        raw.compatible = super::compatible(F::COMPATIBLE);
        // INVARIANT: `repr(C)` puts `raw` first, and `ops` has just been set.
        Self {
            raw: Opaque::new(raw),
            inner,
        }
    }

    /// The state that is being preserved. [`ENOENT`] if no file depends on it now.
    pub(crate) fn outgoing(&'static self) -> Result<OutgoingRef<F>> {
        let mut object = ptr::null_mut();
        // SAFETY: `raw` is complete and in a static; `object` is there to be written.
        to_result(unsafe { bindings::liveupdate_flb_get_outgoing(self.raw.get(), &mut object) })?;
        // INVARIANT: The call has added to the count and gave what `VTable::preserve()` made.
        Ok(OutgoingRef {
            shared: self,
            object,
        })
    }

    /// The state that the previous kernel preserved. The first call makes it.
    ///
    /// [`ENOENT`] or [`ENODATA`] if there is none or it is finished; otherwise the error of
    /// [`Flb::retrieve`], which sticks.
    pub(crate) fn incoming(&'static self) -> Result<IncomingRef<F>> {
        let mut object = ptr::null_mut();
        // SAFETY: `raw` is complete and in a static; `object` is there to be written.
        to_result(unsafe { bindings::liveupdate_flb_get_incoming(self.raw.get(), &mut object) })?;
        // INVARIANT: The call has added to the count and gave what `VTable::retrieve()` made.
        Ok(IncomingRef {
            shared: self,
            object,
        })
    }

    /// What C knows of this.
    pub(crate) fn as_raw(&'static self) -> *mut bindings::liveupdate_flb {
        self.raw.get()
    }

    /// The whole around what C knows.
    ///
    /// # Safety
    ///
    /// `raw` came from [`as_raw`](Self::as_raw) for the same `F`.
    unsafe fn from_raw(raw: *mut bindings::liveupdate_flb) -> &'static Self {
        // SAFETY: `as_raw` is given a static. By the type invariant `raw` has its address.
        unsafe { &*raw.cast::<Self>() }
    }
}

/// Use of the state that is being preserved. While it lasts, the state is not let go.
///
/// # Invariants
///
/// Holds one count of `shared`'s outgoing side, for which `object` is the live object.
pub(crate) struct OutgoingRef<F: Flb> {
    shared: &'static Shared<F>,
    object: *mut c_void,
}

impl<F: Flb> OutgoingRef<F> {
    /// The state.
    pub(crate) fn get(&self) -> <F::Outgoing as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the type invariant the object lives. It is only borrowed mutably or taken
        // back when the count is zero.
        unsafe { F::Outgoing::borrow(self.object) }
    }
}

impl<F: Flb> Drop for OutgoingRef<F> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a count to give back.
        unsafe { bindings::liveupdate_flb_put_outgoing(self.shared.raw.get()) };
    }
}

/// Use of the state that the previous kernel preserved. While it lasts, the state is not let go.
///
/// # Invariants
///
/// Holds one count of `shared`'s incoming side, for which `object` is the live object.
pub(crate) struct IncomingRef<F: Flb> {
    shared: &'static Shared<F>,
    object: *mut c_void,
}

impl<F: Flb> IncomingRef<F> {
    /// The state.
    pub(crate) fn get(&self) -> <F::Incoming as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the type invariant the object lives. It is only borrowed mutably or taken
        // back when the count is zero.
        unsafe { F::Incoming::borrow(self.object) }
    }
}

impl<F: Flb> Drop for IncomingRef<F> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a count to give back.
        unsafe { bindings::liveupdate_flb_put_incoming(self.shared.raw.get()) };
    }
}

/// The functions that C calls, for one implementation of [`Flb`].
struct VTable<F: Flb>(PhantomData<F>);

impl<F: Flb> VTable<F> {
    const OPS: bindings::liveupdate_flb_ops = bindings::liveupdate_flb_ops {
        preserve: Some(Self::preserve),
        unpreserve: Some(Self::unpreserve),
        retrieve: Some(Self::retrieve),
        finish: Some(Self::finish),
        // Built-in code, which is never unloaded.
        owner: ptr::null_mut(),
    };

    /// # Safety
    ///
    /// `args` is valid and its `flb` is attached for `F`.
    unsafe extern "C" fn preserve(args: *mut bindings::liveupdate_flb_op_args) -> c_int {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &mut *args };
        // SAFETY: The FLB in the arguments is the one whose `ops` these are.
        let this = unsafe { Shared::<F>::from_raw(args.flb) };

        from_result(|| {
            let outgoing = this.inner.preserve()?;
            args.data = outgoing.data;
            args.obj = outgoing.object.into_foreign();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for `preserve()`, which made `obj`. This is the last call with it.
    unsafe extern "C" fn unpreserve(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &mut *args };
        // SAFETY: The FLB in the arguments is the one whose `ops` these are.
        let this = unsafe { Shared::<F>::from_raw(args.flb) };
        // SAFETY: `preserve()` made the object. The count is zero, hence nobody borrows it.
        let object = unsafe { F::Outgoing::from_foreign(args.obj) };

        this.inner.unpreserve(Outgoing {
            data: args.data,
            object,
        });
    }

    /// # Safety
    ///
    /// As for `preserve()`.
    unsafe extern "C" fn retrieve(args: *mut bindings::liveupdate_flb_op_args) -> c_int {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &mut *args };
        // SAFETY: The FLB in the arguments is the one whose `ops` these are.
        let this = unsafe { Shared::<F>::from_raw(args.flb) };

        from_result(|| {
            args.obj = this.inner.retrieve(args.data)?.into_foreign();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for `preserve()`. `retrieve()` made `obj`, and this is the last call with it.
    unsafe extern "C" fn finish(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &mut *args };
        // SAFETY: The FLB in the arguments is the one whose `ops` these are.
        let this = unsafe { Shared::<F>::from_raw(args.flb) };
        // SAFETY: `retrieve()` made the object. The count is zero, hence nobody borrows it.
        let object = unsafe { F::Incoming::from_foreign(args.obj) };

        this.inner.finish(object);
    }
}
