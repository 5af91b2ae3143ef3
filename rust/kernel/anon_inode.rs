// SPDX-License-Identifier: GPL-2.0

//! Files without a path, whose operations are in Rust.
//!
//! C header: [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h)

use core::marker::PhantomData;
use core::ptr::NonNull;

use kernel::error::from_err_ptr;
use kernel::fs::file::flags;
use kernel::fs::File;
use kernel::fs::LocalFile;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::types::ForeignOwnable;
use kernel::types::NotThreadSafe;

use super::bindings;

/// What a file made by [`new_file`] does.
pub(crate) trait AnonFile: Sized + 'static {
    /// Owner of the state behind the file; lives until the last reference to the file is gone.
    type Ptr: ForeignOwnable + Send + Sync;

    /// Serves an ioctl.
    fn ioctl(this: <Self::Ptr as ForeignOwnable>::Borrowed<'_>, call: &IoctlCall) -> Result;

    /// Takes the state back when the last reference to the file is gone. May sleep.
    fn release(this: Self::Ptr) {
        drop(this);
    }
}

/// An ioctl that the current thread is serving.
///
/// # Invariants
///
/// The current thread is in an `ioctl()` system call, and therefore in no region that
/// `fdget_pos()` opens (only reads, writes, seeks and directory reads open one).
pub(crate) struct IoctlCall {
    cmd: u32,
    arg: usize,
    _not_send: PhantomData<NotThreadSafe>,
}

impl IoctlCall {
    /// The command.
    pub(crate) fn cmd(&self) -> u32 {
        self.cmd
    }

    /// The argument.
    pub(crate) fn arg(&self) -> usize {
        self.arg
    }

    /// Takes a reference to the file that is `fd` in the calling process; `EBADF` if there is none.
    pub(crate) fn file(&self, fd: i32) -> Result<ARef<File>> {
        // A negative number is a huge one, which no table has.
        let file = LocalFile::fget(fd as u32)?;
        // SAFETY: By the type invariant this thread is in no `fdget_pos()` region.
        Ok(unsafe { LocalFile::assume_no_fdget_pos(file) })
    }
}

/// Makes a file that shows as `name` in /proc, open for reading and writing.
///
/// The name ends at its first NUL, and the last byte has to be one. Not in any file descriptor table
/// yet. On failure `data` is dropped, not released.
pub(crate) fn new_file<T: AnonFile>(name: &[u8], data: T::Ptr) -> Result<ARef<File>> {
    if name.last() != Some(&0) {
        return Err(EINVAL);
    }
    let raw = data.into_foreign();

    // SAFETY: The name is a C string, as was just checked, and is copied, and the operations live for ever. `raw` stays valid until the
    // file's release, which takes it back.
    let file = from_err_ptr(unsafe {
        bindings::anon_inode_getfile(
            name.as_ptr().cast(),
            Operations::<T>::build(),
            raw,
            flags::O_RDWR as c_int,
        )
    });

    match file.map(NonNull::new) {
        Ok(Some(file)) => {
            // SAFETY: The reference that came with the file is ours. The file is new, so that
            // nobody is in an `fdget_pos()` region with it.
            Ok(unsafe { ARef::from_raw(file.cast::<File>()) })
        }
        result => {
            // SAFETY: `raw` came from `into_foreign()` above, and there is no file to own it.
            drop(unsafe { T::Ptr::from_foreign(raw) });
            Err(result.err().unwrap_or(EINVAL))
        }
    }
}

/// Holder of the C functions that call an [`AnonFile`].
struct Operations<T: AnonFile>(PhantomData<T>);

impl<T: AnonFile> Operations<T> {
    /// # Safety
    ///
    /// Called by the kernel for a file of [`new_file::<T>`](new_file), to serve an ioctl.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: The file exists during the call; `new_file` set `private_data`, and only
        // `release` takes it back.
        let this = unsafe { T::Ptr::borrow((*file).private_data) };

        // INVARIANT: The kernel calls this function from `ioctl()` alone.
        let call = IoctlCall {
            cmd,
            arg,
            _not_send: PhantomData,
        };
        match T::ioctl(this, &call) {
            Ok(()) => 0,
            Err(err) => err.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// Called by the kernel once, for a file of [`new_file::<T>`](new_file) that goes away.
    unsafe extern "C" fn release(_: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `new_file` made this pointer with `into_foreign()`. This is the last operation
        // on the file, so that nobody borrows it any more.
        T::release(unsafe { T::Ptr::from_foreign((*file).private_data) });
        0
    }

    const VTABLE: bindings::file_operations = bindings::file_operations {
        release: Some(Self::release),
        unlocked_ioctl: Some(Self::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: Some(bindings::compat_ptr_ioctl),
        ..pin_init::zeroed()
    };

    const fn build() -> &'static bindings::file_operations {
        &Self::VTABLE
    }
}
