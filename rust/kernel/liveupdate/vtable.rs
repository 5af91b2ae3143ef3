// SPDX-License-Identifier: GPL-2.0

//! The bridge between C's table of functions and the trait.

use core::marker::PhantomData;

use kernel::error::from_result;
use kernel::fs::File;
use kernel::module::this_module;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::types::ForeignOwnable;

use super::FileHandler;
use super::Handler;
use super::Incoming;
use super::NotRetrieved;
use super::Outgoing;
use super::RETRIEVE_LATER;

use crate::kernel::bindings;

/// The functions that C calls, for one implementation of [`FileHandler`].
pub(super) struct VTable<T: FileHandler>(PhantomData<T>);

impl<T: FileHandler> VTable<T> {
    pub(super) const OPS: bindings::liveupdate_file_ops = bindings::liveupdate_file_ops {
        can_preserve: Some(Self::can_preserve),
        preserve: Some(Self::preserve),
        unpreserve: Some(Self::unpreserve),
        freeze: if T::HAS_FREEZE {
            Some(Self::freeze)
        } else {
            None
        },
        unfreeze: if T::HAS_UNFREEZE {
            Some(Self::unfreeze)
        } else {
            None
        },
        retrieve: Some(Self::retrieve),
        can_finish: if T::HAS_CAN_FINISH {
            Some(Self::can_finish)
        } else {
            None
        },
        finish: Some(Self::finish),
        get_id: if T::HAS_ID { Some(Self::id) } else { None },
        owner: this_module::<T::OwnerModule>().as_ptr(),
    };

    /// The file in the arguments of a call.
    ///
    /// # Safety
    ///
    /// `file` is null or a file that stays open for `'a`, and this thread is in no `fdget_pos()`
    /// region for it that lacks the file's position lock.
    unsafe fn file<'a>(file: *mut bindings::file) -> Option<&'a File> {
        if file.is_null() {
            return None;
        }
        // SAFETY: Not null, and otherwise what the caller promises.
        Some(unsafe { File::from_raw_file(file) })
    }

    /// # Safety
    ///
    /// `handler` is registered for `T`, and `file` is open.
    unsafe extern "C" fn can_preserve(
        handler: *mut bindings::liveupdate_file_handler,
        file: *mut bindings::file,
    ) -> bool {
        // SAFETY: The caller promises the former.
        let this = unsafe { Handler::<T>::from_raw(handler) };
        // SAFETY: The orchestrator holds a reference to the file. It is in an ioctl of its own
        // file, for which no position lock is taken.
        let file = unsafe { File::from_raw_file(file) };

        this.inner.can_preserve(file)
    }

    /// # Safety
    ///
    /// `file` is open.
    unsafe extern "C" fn id(file: *mut bindings::file) -> c_ulong {
        // SAFETY: As for `can_preserve()`.
        T::id(unsafe { File::from_raw_file(file) })
    }

    /// # Safety
    ///
    /// `args` is valid, its `handler` is registered for `T`, and its `file` is open.
    unsafe extern "C" fn preserve(args: *mut bindings::liveupdate_file_op_args) -> c_int {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &mut *args };
        // SAFETY: The handler in the arguments is the one whose `ops` these are.
        let this = unsafe { Handler::<T>::from_raw(args.handler) };

        from_result(|| {
            // SAFETY: As for `can_preserve()`.
            let file = unsafe { Self::file(args.file) }.ok_or(EINVAL)?;
            let outgoing = this.inner.preserve(file)?;
            args.serialized_data = outgoing.data;
            args.private_data = outgoing.state.into_foreign();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for `preserve()`, which has succeeded for this file and gave `private_data`. This is the
    /// last call with it.
    unsafe extern "C" fn unpreserve(args: *mut bindings::liveupdate_file_op_args) {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &mut *args };
        // SAFETY: The handler in the arguments is the one whose `ops` these are.
        let this = unsafe { Handler::<T>::from_raw(args.handler) };
        // SAFETY: `preserve()` made this pointer, and it is not used after this call.
        let state = unsafe { T::State::from_foreign(args.private_data) };
        // SAFETY: The orchestrator holds a reference to every preserved file.
        let file = unsafe { File::from_raw_file(args.file) };

        this.inner.unpreserve(
            file,
            Outgoing {
                data: args.serialized_data,
                state,
            },
        );
    }

    /// # Safety
    ///
    /// As for `preserve()`, which has succeeded for this file and gave `private_data`.
    unsafe extern "C" fn freeze(args: *mut bindings::liveupdate_file_op_args) -> c_int {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &mut *args };
        // SAFETY: The handler in the arguments is the one whose `ops` these are.
        let this = unsafe { Handler::<T>::from_raw(args.handler) };
        // SAFETY: `preserve()` made this pointer. Calls for one file exclude each other, hence
        // there is no other borrow.
        let state = unsafe { T::State::borrow_mut(args.private_data) };
        // SAFETY: The orchestrator holds a reference to every preserved file.
        let file = unsafe { File::from_raw_file(args.file) };

        from_result(|| {
            this.inner
                .freeze(file, &mut args.serialized_data, state)
                .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// As for `freeze()`.
    unsafe extern "C" fn unfreeze(args: *mut bindings::liveupdate_file_op_args) {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &mut *args };
        // SAFETY: The handler in the arguments is the one whose `ops` these are.
        let this = unsafe { Handler::<T>::from_raw(args.handler) };
        // SAFETY: As for `freeze()`.
        let state = unsafe { T::State::borrow_mut(args.private_data) };
        // SAFETY: The orchestrator holds a reference to every preserved file.
        let file = unsafe { File::from_raw_file(args.file) };

        this.inner.unfreeze(file, args.serialized_data, state);
    }

    /// # Safety
    ///
    /// `args` is valid and its `handler` is registered for `T`.
    unsafe extern "C" fn retrieve(args: *mut bindings::liveupdate_file_op_args) -> c_int {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &mut *args };
        // SAFETY: The handler in the arguments is the one whose `ops` these are.
        let this = unsafe { Handler::<T>::from_raw(args.handler) };

        from_result(|| {
            match this.inner.retrieve(args.serialized_data) {
                Ok(file) => {
                    // The caller takes the reference over.
                    args.file = ARef::into_raw(file).as_ptr().cast();
                    Ok(0)
                }
                Err(NotRetrieved::Final(error)) => Err(error),
                Err(NotRetrieved::Later(error)) => {
                    args.retrieve_status = RETRIEVE_LATER;
                    Err(error)
                }
            }
        })
    }

    /// What the arguments of a call in the new kernel say about the file.
    ///
    /// # Safety
    ///
    /// `args.file` is open if there is one.
    unsafe fn incoming(args: &bindings::liveupdate_file_op_args) -> Incoming<'_> {
        // SAFETY: What the caller promises; the session's ioctl takes no position lock.
        let file = unsafe { Self::file(args.file) };
        match (args.retrieve_status, file) {
            (0, _) => Incoming::Waiting(args.serialized_data),
            (1.., Some(file)) => Incoming::Retrieved(file),
            // Success without a file is a bug of the caller. Nothing must be freed then.
            (1.., None) => Incoming::Failed(EINVAL),
            (error, _) => Incoming::Failed(Error::from_errno(error)),
        }
    }

    /// # Safety
    ///
    /// `args` is valid, its `handler` is registered for `T`, and its `file` is open or null.
    unsafe extern "C" fn can_finish(args: *mut bindings::liveupdate_file_op_args) -> bool {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &*args };
        // SAFETY: The handler in the arguments is the one whose `ops` these are.
        let this = unsafe { Handler::<T>::from_raw(args.handler) };

        // SAFETY: The caller promises it.
        this.inner.can_finish(unsafe { Self::incoming(args) })
    }

    /// # Safety
    ///
    /// As for `can_finish()`.
    unsafe extern "C" fn finish(args: *mut bindings::liveupdate_file_op_args) {
        // SAFETY: The orchestrator lends the arguments for the length of the call.
        let args = unsafe { &*args };
        // SAFETY: The handler in the arguments is the one whose `ops` these are.
        let this = unsafe { Handler::<T>::from_raw(args.handler) };

        // SAFETY: The caller promises it.
        this.inner.finish(unsafe { Self::incoming(args) });
    }
}
