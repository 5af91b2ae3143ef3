// SPDX-License-Identifier: GPL-2.0

//! Live update of files: what a driver implements so that its files survive a kexec.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h)
//!
//! A driver implements [`FileHandler`] for a type of its own, puts a [`Handler`] around one value
//! of it into a static, and registers that. Everything goes through the C interface of the
//! orchestrator, so it does not matter which language the orchestrator is written in.
//!
//! State that several files share (an IOMMU domain, the devices of a PCI bus) is not saved with
//! any one of them. It is a [`flb::Flb`]: saved with the first file and let go with the last.
//!
//! # A file's way through a live update
//!
//! | kernel | userspace | callback | the file is |
//! | --- | --- | --- | --- |
//! | old | `PRESERVE_FD` | [`can_preserve`](FileHandler::can_preserve), [`id`](FileHandler::id), [`preserve`](FileHandler::preserve) | in use, and may stay so |
//! | old | closes the session | [`unpreserve`](FileHandler::unpreserve) | an ordinary file again |
//! | old | `reboot()` | [`freeze`](FileHandler::freeze) | to change no more |
//! | old | kexec fails | [`unfreeze`](FileHandler::unfreeze) | preserved as before |
//! | new | `RETRIEVE_FD` | [`retrieve`](FileHandler::retrieve), `id` | in use |
//! | new | `FINISH` | [`can_finish`](FileHandler::can_finish), [`finish`](FileHandler::finish) | an ordinary file |
//!
//! What crosses from kernel to kernel is one `u64` for each file. It is usually the physical
//! address of memory from [`Preserved`](crate::kho::Preserved). In the new kernel it is *input*:
//! the old kernel may have been another version, so [`retrieve`](FileHandler::retrieve) and
//! [`finish`](FileHandler::finish) check everything that they find there.
//!
//! Calls for one file never run at the same time as each other. Calls for different files may.
//! All of them may sleep.
//!
//! # Example
//!
//! A driver hands out files that each carry a counter. One number survives, so the format is one
//! `u64` in preserved memory. `counter::Counters` stands for the driver.
//!
//! ```ignore
//! use kernel::{fs::File, prelude::*, sync::aref::ARef};
//!
//! use crate::abi::addr::PhysAddr;
//! use crate::kernel::liveupdate::{FileHandler, Handler, Incoming, Outgoing};
//! use crate::kho::{Handed, Preserved};
//!
//! struct CounterFiles;
//!
//! /// The number that the previous kernel left at `data`, and the memory it is in.
//! fn claim(data: u64) -> Result<(u64, Handed)> {
//!     let memory = Handed::claim(PhysAddr::new(data))?;
//!     let bytes = memory.bytes().first_chunk().ok_or(EINVAL)?;
//!     Ok((u64::from_le_bytes(*bytes), memory))
//! }
//!
//! #[vtable]
//! impl FileHandler for CounterFiles {
//!     // Change the number whenever the format changes.
//!     const COMPATIBLE: &'static CStr = c"counter-v1";
//!
//!     // What `preserve` made and `unpreserve` takes back. Dropping it undoes the preservation.
//!     type State = KBox<Preserved>;
//!
//!     fn can_preserve(&self, file: &File) -> bool {
//!         counter::is_counter(file)
//!     }
//!
//!     fn preserve(&self, file: &File) -> Result<Outgoing<Self::State>> {
//!         // An early return drops `memory`, so that there is nothing to undo by hand.
//!         let memory = Preserved::new(size_of::<u64>())?;
//!         counter::pin(file)?;
//!         Ok(Outgoing {
//!             data: memory.phys().get(),
//!             state: KBox::new(memory, GFP_KERNEL)?,
//!         })
//!     }
//!
//!     fn unpreserve(&self, file: &File, outgoing: Outgoing<Self::State>) {
//!         counter::unpin(file);
//!         drop(outgoing);
//!     }
//!
//!     // The counter goes on counting while it is preserved: its value is that of the last moment.
//!     fn freeze(&self, file: &File, _data: &mut u64, memory: &mut Preserved) -> Result {
//!         let value = counter::value(file).to_le_bytes();
//!         *memory.bytes_mut().first_chunk_mut().ok_or(EINVAL)? = value;
//!         Ok(())
//!     }
//!
//!     fn retrieve(&self, data: u64) -> Result<ARef<File>, NotRetrieved> {
//!         let (value, memory) = claim(data)?;
//!         // Failing is final, so the memory is freed whether or not there is a file.
//!         memory.free();
//!         Ok(counter::open(value)?)
//!     }
//!
//!     fn finish(&self, incoming: Incoming<'_>) {
//!         // Nobody wanted the file. All that remains of it is the memory.
//!         if let Incoming::Waiting(data) = incoming {
//!             if let Ok((_, memory)) = claim(data) {
//!                 memory.free();
//!             }
//!         }
//!     }
//! }
//!
//! static COUNTER_FILES: Handler<CounterFiles> = Handler::new(CounterFiles);
//!
//! // Called by a late_initcall, once.
//! pub(crate) fn init() -> Result {
//!     COUNTER_FILES.register()
//! }
//! ```

use core::ffi::c_int;
use core::mem::MaybeUninit;

use kernel::build_error;
use kernel::error::to_result;
use kernel::error::VTABLE_DEFAULT_ERROR;
use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::atomic::Acquire;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::Relaxed;
use kernel::sync::atomic::Release;
use kernel::types::ForeignOwnable;
use kernel::types::Opaque;

use super::bindings;

use self::vtable::VTable;

pub(crate) mod flb;
mod vtable;

// The files of modules are compiled with this one, too.
#[cfg(all(lu_built_in, CONFIG_LIVEUPDATE_KUNIT_TEST, CONFIG_MEMFD_CREATE))]
mod tests;

/// A file that is preserved for the next kernel, as [`FileHandler::preserve`] made it.
pub(crate) struct Outgoing<S> {
    /// What the next kernel's handler is given. Usually a physical address in preserved memory.
    pub(crate) data: u64,
    /// What this kernel keeps about the file until it is unpreserved.
    pub(crate) state: S,
}

/// A file that came from the previous kernel, as far as userspace has got with it.
pub(crate) enum Incoming<'a> {
    /// Nobody has asked for the file. What the previous kernel left is where this points, and has
    /// not been checked.
    Waiting(u64),
    /// [`FileHandler::retrieve`] has made this file.
    Retrieved(&'a File),
    /// [`FileHandler::retrieve`] has failed with this error, and has cleaned up.
    Failed(Error),
}

/// Why [`FileHandler::retrieve`] has no file.
pub(crate) enum NotRetrieved {
    /// It never will: what can be freed has been freed.
    Final(Error),
    /// Nothing has changed. Userspace gets the error, and may ask again.
    Later(Error),
}

impl From<Error> for NotRetrieved {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// `liveupdate_file_op_args.retrieve_status` after a [`NotRetrieved::Later`], which mainline does not
/// know. A handler in C leaves it zero.
pub(crate) const RETRIEVE_LATER: c_int = 2;

/// A kind of file that survives a live update.
///
/// The [module documentation](self) has an example and says when each function is called. The
/// functions without a body are required. Errors go to userspace as they are.
///
/// C counterpart: `struct liveupdate_file_ops`.
#[vtable]
pub(crate) trait FileHandler: Send + Sync + Sized + 'static {
    /// Name and version of the format, for the next kernel to find its handler by. Shorter than
    /// `LIVEUPDATE_HNDL_COMPAT_LENGTH` bytes, which is checked when the kernel is compiled.
    const COMPATIBLE: &'static CStr;

    /// What this kernel keeps about a preserved file. `()` if that is nothing.
    type State: ForeignOwnable + Send;

    /// Says whether `file` is of this handler's kind.
    ///
    /// Called for every file that userspace wants to preserve, of whatever kind. Holds the lock
    /// of the list of handlers: decide quickly, and do not register anything.
    fn can_preserve(&self, file: &File) -> bool;

    /// Tells files apart: two files with the same number cannot both be preserved (`EBUSY`).
    ///
    /// The default is the address of the `struct file`.
    fn id(_file: &File) -> usize {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Saves the file's state in memory that the next kernel will find.
    ///
    /// The file stays in use. What may change until the reboot is for [`freeze`](Self::freeze).
    fn preserve(&self, file: &File) -> Result<Outgoing<Self::State>>;

    /// Undoes [`preserve`](Self::preserve).
    fn unpreserve(&self, file: &File, outgoing: Outgoing<Self::State>);

    /// Saves what may have changed since [`preserve`](Self::preserve), just before the kexec.
    ///
    /// May change `data`. An error stops the live update.
    fn freeze(
        &self,
        _file: &File,
        _data: &mut u64,
        _state: <Self::State as ForeignOwnable>::BorrowedMut<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Undoes [`freeze`](Self::freeze): the kexec did not happen.
    fn unfreeze(
        &self,
        _file: &File,
        _data: u64,
        _state: <Self::State as ForeignOwnable>::BorrowedMut<'_>,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a file from what the previous kernel's handler saved.
    ///
    /// Called until it gives a file or a [final](NotRetrieved::Final) error, but not again then. `data`
    /// is input and must be checked.
    fn retrieve(&self, data: u64) -> Result<ARef<File>, NotRetrieved>;

    /// Says whether [`finish`](Self::finish) may be called now. The default is yes.
    fn can_finish(&self, _incoming: Incoming<'_>) -> bool {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Ends the live update for one file. For [`Incoming::Waiting`] this frees what the previous
    /// kernel left; otherwise there is often nothing to do.
    fn finish(&self, incoming: Incoming<'_>);
}

/// A [`FileHandler`] as the orchestrator knows it. To be put in a static.
///
/// C counterpart: `struct liveupdate_file_handler`.
///
/// # Invariants
///
/// - `raw` is at the address of the handler. Its `ops` are those of [`VTable`] for the same `T`; the
///   rest belongs to the orchestrator from the first [`register`](Self::register).
/// - If `registered` is set, the orchestrator has initialised and knows `raw`.
#[repr(C)]
pub(crate) struct Handler<T: FileHandler> {
    raw: Opaque<bindings::liveupdate_file_handler>,
    registered: Atomic<bool>,
    inner: T,
}

// SAFETY: `raw` is only touched by the orchestrator under its own locks, and `T` is `Sync`.
unsafe impl<T: FileHandler> Sync for Handler<T> {}

impl<T: FileHandler> Handler<T> {
    /// Wraps `inner`. The orchestrator knows nothing of it yet.
    pub(crate) const fn new(inner: T) -> Self {
        let zeroed = MaybeUninit::<bindings::liveupdate_file_handler>::zeroed();
        // SAFETY: The type consists of integers, lists and pointers that may be null.
        let mut raw = unsafe { zeroed.assume_init() };
        raw.ops = &VTable::<T>::OPS;
        raw.compatible = compatible(T::COMPATIBLE);
        // INVARIANT: `repr(C)` puts `raw` first, `ops` has just been set, `registered` is not.
        Self {
            raw: Opaque::new(raw),
            registered: Atomic::new(false),
            inner,
        }
    }

    /// Makes the handler known, for as long as this kernel runs.
    ///
    /// Fails with [`EOPNOTSUPP`] if live update is off, and with [`EEXIST`] if there is a handler
    /// with the same compatible string already, which may be this one. May sleep.
    pub(crate) fn register(&'static self) -> Result {
        // A module could be unloaded and leave the orchestrator with a dangling pointer.
        const { assert!(!cfg!(MODULE), "modules want register_for_module()") };
        // SAFETY: Built-in code is never unloaded.
        unsafe { self.register_until_unloaded() }
    }

    /// The same, until what is returned is dropped: code that may be a module keeps it in its
    /// [`Module`](kernel::Module).
    ///
    /// The orchestrator keeps a module loaded while there are files of its handlers that are preserved,
    /// or were retrieved and are not finished. Nothing keeps it loaded otherwise.
    pub(crate) fn register_for_module(&'static self) -> Result<Registration<T>> {
        // SAFETY: The module drops what is returned before it is unloaded.
        unsafe { self.register_until_unloaded() }?;
        Ok(Registration(self))
    }

    /// # Safety
    ///
    /// The handler is unregistered before the code that it is in is unloaded.
    unsafe fn register_until_unloaded(&'static self) -> Result {
        // SAFETY: By the type invariant `raw` is a complete handler. It is in a static, hence never
        // moves, and the caller promises that it stays for as long as it is registered.
        to_result(unsafe { bindings::liveupdate_register_file_handler(self.raw.get()) })?;
        // INVARIANT: The call has just succeeded.
        self.registered.store(true, Release);
        Ok(())
    }

    /// What C knows of this.
    pub(crate) fn as_raw(&'static self) -> *mut bindings::liveupdate_file_handler {
        self.raw.get()
    }

    /// Saves the shared state `flb` whenever files of this handler are preserved.
    ///
    /// The handler must have been registered; [`EINVAL`] otherwise. [`EEXIST`] if `flb` is attached
    /// already or its name is taken. An FLB may be attached to several handlers. May sleep.
    pub(crate) fn attach<F: flb::Flb>(&'static self, flb: &'static flb::Shared<F>) -> Result {
        if !self.registered.load(Acquire) {
            return Err(EINVAL);
        }
        // SAFETY: The handler is registered. Both are complete and in statics of built-in code.
        to_result(unsafe { bindings::liveupdate_register_flb(self.raw.get(), flb.as_raw()) })
    }

    /// The handler around what C knows.
    ///
    /// # Safety
    ///
    /// `raw` was passed to the orchestrator by [`register`](Self::register) for the same `T`.
    unsafe fn from_raw(raw: *mut bindings::liveupdate_file_handler) -> &'static Self {
        // SAFETY: `register` is given a static. By the type invariant `raw` has its address.
        unsafe { &*raw.cast::<Self>() }
    }
}

/// That a handler is registered, until this is dropped.
///
/// Files that are preserved, or that were retrieved, keep the handler's module loaded. Whoever drops
/// this while there are some has them done without the handler's [FLBs](flb).
#[must_use = "dropping it unregisters the handler"]
pub(crate) struct Registration<T: FileHandler>(&'static Handler<T>);

impl<T: FileHandler> Drop for Registration<T> {
    fn drop(&mut self) {
        self.0.registered.store(false, Relaxed);
        // SAFETY: It is registered. Files that are left keep what the orchestrator calls for them.
        unsafe { bindings::liveupdate_unregister_file_handler(self.0.raw.get()) };
    }
}

/// Copies a compatible string into the array that C keeps it in.
const fn compatible<const N: usize>(name: &CStr) -> [c_char; N] {
    let bytes = name.to_bytes_with_nul();
    assert!(bytes.len() <= N, "the compatible string is too long");
    assert!(bytes.len() > 1, "the compatible string is empty");
    let mut array = [0; N];
    let mut i = 0;
    while i < bytes.len() {
        array[i] = bytes[i] as c_char;
        i += 1;
    }
    array
}
