// SPDX-License-Identifier: GPL-2.0

//! File handlers that were registered through the C interface, safe to call.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h), `struct
//! liveupdate_file_handler`.

use core::ptr;
use core::ptr::NonNull;

use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

use crate::abi::luo::HANDLER_COMPAT_LEN;

use super::bindings;
use super::module_ref::ModuleRef;

/// State of the running kernel that a handler keeps with a preserved file.
///
/// Opaque: what the handler's preserve made goes back to the same handler's other callbacks.
#[derive(Clone, Copy)]
pub(crate) struct HandlerPrivate(*mut c_void);

// SAFETY: This is a token that only the handler looks behind; C calls it from any thread.
unsafe impl Send for HandlerPrivate {}
// SAFETY: As above.
unsafe impl Sync for HandlerPrivate {}

/// How retrieving a file went, as `finish` and `can_finish` are told.
#[derive(Clone, Copy)]
pub(crate) enum RetrieveStatus {
    /// Nobody asked for the file.
    NotTried,
    /// It was handed out.
    Done,
    /// It could not be restored.
    Failed(Error),
}

impl RetrieveStatus {
    fn to_int(self) -> c_int {
        match self {
            Self::NotTried => 0,
            Self::Done => 1,
            Self::Failed(err) => err.to_errno(),
        }
    }
}

/// Turns the return value of a callback into a result; a positive one is a bug of the handler.
pub(super) fn check(ret: c_int) -> Result {
    match ret {
        0 => Ok(()),
        ret if ret < 0 => Err(Error::from_errno(ret)),
        _ => Err(EINVAL),
    }
}

/// A handler that is registered. Says what it is and gives out [`HandlerRef`]s.
///
/// # Invariants
///
/// `ptr` points to a handler that stays valid while this value exists, and whose required
/// callbacks are there. Its compatible string is ended by NUL and not empty.
pub(crate) struct CHandler {
    ptr: NonNull<bindings::liveupdate_file_handler>,
}

// SAFETY: The handler is shared between threads by contract, and only read.
unsafe impl Send for CHandler {}
// SAFETY: As above.
unsafe impl Sync for CHandler {}

impl CHandler {
    /// Takes a handler that somebody registers. `EINVAL` if it lacks a required callback or its
    /// compatible string is empty or not ended.
    ///
    /// # Safety
    ///
    /// `handler` is null or points to a handler that stays valid and unchanged until it is
    /// unregistered (the registry drops the value by then), and after that for as long as there
    /// are references to its module. One without a module is valid for ever.
    pub(crate) unsafe fn new(handler: *mut bindings::liveupdate_file_handler) -> Result<Self> {
        let ptr = NonNull::new(handler).ok_or(EINVAL)?;
        // INVARIANT: Valid by the contract of this function, the rest is checked below.
        let handler = Self { ptr };
        // SAFETY: Valid by the contract of this function; null is no reference.
        let ops = unsafe { (*ptr.as_ptr()).ops.as_ref() }.ok_or(EINVAL)?;

        if ops.can_preserve.is_none()
            || ops.preserve.is_none()
            || ops.unpreserve.is_none()
            || ops.retrieve.is_none()
            || ops.finish.is_none()
        {
            pr_err!("LUO: a file handler without all required callbacks cannot be registered\n");
            return Err(EINVAL);
        }
        let compatible = handler.compatible();
        if compatible[0] == 0 || !compatible.contains(&0) {
            pr_err!("LUO: a file handler without a valid compatible string cannot be registered\n");
            return Err(EINVAL);
        }
        Ok(handler)
    }

    /// Identity of the handler.
    pub(crate) fn as_ptr(&self) -> *mut bindings::liveupdate_file_handler {
        self.ptr.as_ptr()
    }

    /// The compatible string, ended by NUL.
    pub(crate) fn compatible(&self) -> &[u8; HANDLER_COMPAT_LEN] {
        compatible(self.ptr)
    }

    /// Asks whether the handler takes files like `file`.
    pub(crate) fn can_preserve(&self, file: &File) -> bool {
        // SAFETY: The handler is valid by the type invariant, and `file` is a live file.
        unsafe {
            match (*(*self.as_ptr()).ops).can_preserve {
                Some(can_preserve) => can_preserve(self.as_ptr(), file.as_ptr()),
                None => false,
            }
        }
    }

    /// Takes a reference for using the handler; [`None`] when its module is being unloaded.
    pub(crate) fn get(&self) -> Option<HandlerRef> {
        // SAFETY: The handler is valid by the type invariant. It is registered, which its module
        // undoes before it is gone, so that the module exists.
        let module = unsafe { ModuleRef::get((*(*self.as_ptr()).ops).owner) }?;
        // INVARIANT: `module` keeps the handler valid by the contract of `new`.
        Some(HandlerRef {
            ptr: self.ptr,
            _module: module,
        })
    }
}

/// Right to call a handler.
///
/// # Invariants
///
/// `ptr` points to a handler that stays valid while `_module` exists, with all required
/// callbacks and a compatible string that is ended by NUL.
pub(crate) struct HandlerRef {
    ptr: NonNull<bindings::liveupdate_file_handler>,
    _module: ModuleRef,
}

// SAFETY: The handler is shared between threads by contract, and only read.
unsafe impl Send for HandlerRef {}
// SAFETY: As above.
unsafe impl Sync for HandlerRef {}

impl HandlerRef {
    /// Identity of the handler.
    pub(crate) fn as_ptr(&self) -> *mut bindings::liveupdate_file_handler {
        self.ptr.as_ptr()
    }

    /// The compatible string, ended by NUL.
    pub(crate) fn compatible(&self) -> &[u8; HANDLER_COMPAT_LEN] {
        compatible(self.ptr)
    }

    fn ops(&self) -> &bindings::liveupdate_file_ops {
        // SAFETY: By the type invariant the handler is valid, and its operations with it.
        unsafe { &*(*self.ptr.as_ptr()).ops }
    }

    fn args(&self, file: *mut bindings::file, data: u64) -> bindings::liveupdate_file_op_args {
        bindings::liveupdate_file_op_args {
            handler: self.ptr.as_ptr(),
            retrieve_status: 0,
            file,
            serialized_data: data,
            private_data: ptr::null_mut(),
        }
    }

    /// What makes two files the same thing to this handler; the file itself unless it says else.
    pub(crate) fn id_of(&self, file: &File) -> usize {
        match self.ops().get_id {
            // SAFETY: `file` is a live file that this handler takes or made.
            Some(get_id) => unsafe { get_id(file.as_ptr()) },
            None => file.as_ptr() as usize,
        }
    }

    /// Saves the state of `file`. Returns the handle for the next kernel and for this one.
    pub(crate) fn preserve(&self, file: &File) -> Result<(u64, HandlerPrivate)> {
        let preserve = self.ops().preserve.ok_or(EINVAL)?;
        let mut args = self.args(file.as_ptr(), 0);

        // SAFETY: `file` is a live file for which `can_preserve` said yes.
        check(unsafe { preserve(&mut args) })?;
        Ok((args.serialized_data, HandlerPrivate(args.private_data)))
    }

    /// Undoes [`Self::preserve`], which returned `data` and `private` for `file`.
    pub(crate) fn unpreserve(&self, file: &File, data: u64, private: HandlerPrivate) {
        let mut args = self.args(file.as_ptr(), data);

        args.private_data = private.0;
        if let Some(unpreserve) = self.ops().unpreserve {
            // SAFETY: `file` is live, and the rest is what the handler returned.
            unsafe { unpreserve(&mut args) };
        }
    }

    /// Lets the handler do its last work before the jump. Returns the handle, perhaps a new one.
    pub(crate) fn freeze(&self, file: &File, data: u64, private: HandlerPrivate) -> Result<u64> {
        let mut args = self.args(file.as_ptr(), data);

        args.private_data = private.0;
        if let Some(freeze) = self.ops().freeze {
            // SAFETY: `file` is live, and the rest is what the handler returned.
            check(unsafe { freeze(&mut args) })?;
        }
        Ok(args.serialized_data)
    }

    /// Undoes [`Self::freeze`].
    pub(crate) fn unfreeze(&self, file: &File, data: u64, private: HandlerPrivate) {
        let mut args = self.args(file.as_ptr(), data);

        args.private_data = private.0;
        if let Some(unfreeze) = self.ops().unfreeze {
            // SAFETY: `file` is live, and the rest is what the handler returned.
            unsafe { unfreeze(&mut args) };
        }
    }

    /// Makes a file out of what the previous kernel's handler left.
    ///
    /// `data` is input from another kernel: what is behind it is the handler's to check.
    pub(crate) fn retrieve(&self, data: u64) -> Result<ARef<File>> {
        let retrieve = self.ops().retrieve.ok_or(EINVAL)?;
        let mut args = self.args(ptr::null_mut(), data);

        // SAFETY: The arguments are what the contract of the callback asks for.
        check(unsafe { retrieve(&mut args) })?;
        match NonNull::new(args.file) {
            // SAFETY: On success the callback hands over a reference to a new file, which nobody
            // has a position lock on.
            Some(file) => Ok(unsafe { ARef::from_raw(file.cast::<File>()) }),
            None => Err(EINVAL),
        }
    }

    /// Asks whether everything that must come before [`Self::finish`] has happened.
    pub(crate) fn can_finish(
        &self,
        file: Option<&File>,
        data: u64,
        status: RetrieveStatus,
    ) -> bool {
        let mut args = self.args(file.map_or(ptr::null_mut(), File::raw), data);

        args.retrieve_status = status.to_int();
        match self.ops().can_finish {
            // SAFETY: The file is live or absent, and the status says which.
            Some(can_finish) => unsafe { can_finish(&mut args) },
            None => true,
        }
    }

    /// Lets the handler clean up what is left of the previous kernel's state.
    pub(crate) fn finish(&self, file: Option<&File>, data: u64, status: RetrieveStatus) {
        let mut args = self.args(file.map_or(ptr::null_mut(), File::raw), data);

        args.retrieve_status = status.to_int();
        if let Some(finish) = self.ops().finish {
            // SAFETY: The file is live or absent, and the status says which.
            unsafe { finish(&mut args) };
        }
    }
}

/// Access to the C file behind a reference, as a function that can be passed on.
trait Raw {
    fn raw(&self) -> *mut bindings::file;
}

impl Raw for File {
    fn raw(&self) -> *mut bindings::file {
        self.as_ptr()
    }
}

/// The compatible string of a handler, which the callers' invariants keep valid.
fn compatible<'a>(
    handler: NonNull<bindings::liveupdate_file_handler>,
) -> &'a [u8; HANDLER_COMPAT_LEN] {
    // SAFETY: Both callers borrow it from a value that keeps the handler valid. `c_char` is `u8`.
    unsafe { &(*handler.as_ptr()).compatible }
}
