// SPDX-License-Identifier: GPL-2.0

//! Structures of userspace that may be older or newer than the kernel's.
//!
//! C counterpart: `copy_struct_from_user()`.

use kernel::prelude::*;
use kernel::uaccess::UserPtr;
use kernel::uaccess::UserSlice;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

use super::bindings;

/// Reads a `T` that is `user_size` bytes long in userspace.
///
/// What an older userspace does not have is zero. What a newer one has beyond `T` must be zero,
/// or the result is `E2BIG`. `EFAULT` if the memory cannot be read.
pub(crate) fn read_struct<T>(user: UserPtr, user_size: usize) -> Result<T>
where
    T: FromBytes + IntoBytes,
{
    let size = core::mem::size_of::<T>();
    let known = user_size.min(size);

    if user_size > size {
        let rest = user.wrapping_byte_add(size);
        // SAFETY: The callee checks the range, which may be anything, and only reads.
        match unsafe { bindings::check_zeroed_user(rest.as_const_ptr(), user_size - size) } {
            1 => {}
            0 => return Err(E2BIG),
            _ => return Err(EFAULT),
        }
    }

    let mut value = T::new_zeroed();
    if let Some(bytes) = value.as_mut_bytes().get_mut(..known) {
        UserSlice::new(user, known).reader().read_slice(bytes)?;
    }
    Ok(value)
}

/// Writes as much of `value` as `user_size` bytes of userspace hold.
///
/// `EFAULT` if the memory cannot be written.
pub(crate) fn write_struct<T>(user: UserPtr, user_size: usize, value: &T) -> Result
where
    T: IntoBytes + Immutable,
{
    let bytes = value.as_bytes();
    let known = user_size.min(bytes.len());

    match bytes.get(..known) {
        Some(bytes) => UserSlice::new(user, known).writer().write_slice(bytes),
        None => Err(EINVAL),
    }
}
