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
use super::c_registrant::check;
use super::c_registrant::Held;
use super::c_registrant::Registered;
use super::c_registrant::Registrant;
use super::liveupdate::NotRetrieved;
use super::liveupdate::RETRIEVE_LATER;

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

/// A handler that is registered. Says what it is and gives out [`HandlerRef`]s.
pub(crate) type CHandler = Registered<bindings::liveupdate_file_handler>;

/// Right to call a handler.
pub(crate) type HandlerRef = Held<bindings::liveupdate_file_handler>;

// SAFETY: The functions only read the structure.
unsafe impl Registrant for bindings::liveupdate_file_handler {
    const NAME: &'static str = "a file handler";

    type Ops = bindings::liveupdate_file_ops;
    type Compatible = [u8; HANDLER_COMPAT_LEN];

    unsafe fn ops(this: *mut Self) -> *const Self::Ops {
        // SAFETY: By the caller's promise.
        unsafe { (*this).ops }
    }

    fn is_complete(ops: &Self::Ops) -> bool {
        ops.can_preserve.is_some()
            && ops.preserve.is_some()
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

impl CHandler {
    /// Asks whether the handler takes files like `file`.
    pub(crate) fn can_preserve(&self, file: &File) -> bool {
        match self.ops().can_preserve {
            // SAFETY: The handler is valid by the type invariant, and `file` is a live file.
            Some(can_preserve) => unsafe { can_preserve(self.as_ptr(), file.as_ptr()) },
            None => false,
        }
    }
}

impl HandlerRef {
    fn args(&self, file: *mut bindings::file, data: u64) -> bindings::liveupdate_file_op_args {
        bindings::liveupdate_file_op_args {
            handler: self.as_ptr(),
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
    pub(crate) fn retrieve(&self, data: u64) -> Result<ARef<File>, NotRetrieved> {
        let retrieve = self.ops().retrieve.ok_or(EINVAL)?;
        let mut args = self.args(ptr::null_mut(), data);

        // SAFETY: The arguments are what the contract of the callback asks for.
        match check(unsafe { retrieve(&mut args) }) {
            Ok(()) => {}
            Err(error) if args.retrieve_status == RETRIEVE_LATER => {
                return Err(NotRetrieved::Later(error));
            }
            Err(error) => return Err(NotRetrieved::Final(error)),
        }
        match NonNull::new(args.file) {
            // SAFETY: On success the callback hands over a reference to a new file, which nobody
            // has a position lock on.
            Some(file) => Ok(unsafe { ARef::from_raw(file.cast::<File>()) }),
            None => Err(NotRetrieved::Final(EINVAL)),
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
