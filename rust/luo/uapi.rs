// SPDX-License-Identifier: GPL-2.0

//! The ioctls of `include/uapi/linux/liveupdate.h`, and the rules that all of them keep.

use core::mem::offset_of;
use core::mem::size_of;

use kernel::fs::file::flags;
use kernel::fs::file::FileDescriptorReservation;
use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::uaccess::UserPtr;
use kernel::uaccess::UserSlice;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy_derive::FromBytes;
use zerocopy_derive::Immutable;
use zerocopy_derive::IntoBytes;

use crate::abi::luo::SESSION_NAME_LEN;
use crate::kernel::uaccess;

/// `struct liveupdate_ioctl_create_session` and `struct liveupdate_ioctl_retrieve_session`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct OpenSession {
    pub(super) size: u32,
    pub(super) fd: i32,
    pub(super) name: [u8; SESSION_NAME_LEN],
}

/// `struct liveupdate_session_preserve_fd` and `struct liveupdate_session_retrieve_fd`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct SessionFd {
    pub(super) size: u32,
    pub(super) fd: i32,
    pub(super) token: u64,
}

/// `struct liveupdate_session_finish`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Finish {
    pub(super) size: u32,
    pub(super) reserved: u32,
}

/// `struct liveupdate_session_get_name`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct GetName {
    pub(super) size: u32,
    pub(super) reserved: u32,
    pub(super) name: [u8; SESSION_NAME_LEN],
}

const _: () = {
    assert!(size_of::<OpenSession>() == 72 && offset_of!(OpenSession, name) == 8);
    assert!(size_of::<SessionFd>() == 16 && offset_of!(SessionFd, token) == 8);
    assert!(size_of::<Finish>() == 8 && offset_of!(Finish, reserved) == 4);
    assert!(size_of::<GetName>() == 72 && offset_of!(GetName, name) == 8);
};

/// `LIVEUPDATE_IOCTL_TYPE`.
const TYPE: u32 = 0xba;

/// The whole command with this number, made by `_IO()`.
pub(super) const fn command(nr: u32) -> u32 {
    TYPE << 8 | nr
}

/// The number in a command.
pub(super) const fn number(cmd: u32) -> u32 {
    cmd & 0xff
}

/// Numbers of the ioctls on the device.
pub(super) const CREATE_SESSION: u32 = 0x00;
pub(super) const RETRIEVE_SESSION: u32 = 0x01;
/// Numbers of the ioctls on a session.
pub(super) const SESSION_PRESERVE_FD: u32 = 0x40;
pub(super) const SESSION_RETRIEVE_FD: u32 = 0x41;
pub(super) const SESSION_FINISH: u32 = 0x42;
pub(super) const SESSION_GET_NAME: u32 = 0x43;

/// The structure that an ioctl is about, still in userspace.
pub(super) struct Argument {
    user: UserPtr,
    size: usize,
}

impl Argument {
    /// Reads how large userspace says that its structure is. `EFAULT`.
    pub(super) fn new(arg: usize) -> Result<Self> {
        let user = UserPtr::from_addr(arg);
        let size = UserSlice::new(user, size_of::<u32>())
            .reader()
            .read::<u32>()?;

        Ok(Self {
            user,
            size: size as usize,
        })
    }

    /// Reads the structure. `EINVAL` if it is too short, `E2BIG` if it is longer than known and
    /// what is beyond is not zero, `EFAULT`.
    pub(super) fn read<T: FromBytes + IntoBytes>(&self) -> Result<T> {
        // The last field of each structure is required.
        if self.size < size_of::<T>() {
            return Err(EINVAL);
        }
        uaccess::read_struct(self.user, self.size)
    }

    /// Writes the structure back. `EFAULT`.
    pub(super) fn write<T: IntoBytes + Immutable>(&self, value: &T) -> Result {
        uaccess::write_struct(self.user, self.size, value)
    }
}

/// A new file that userspace has not seen yet. Dropping it must leave nothing behind.
pub(super) trait NewFile {
    /// Makes the file one that userspace has.
    fn accept(self) -> ARef<File>;
}

impl NewFile for ARef<File> {
    fn accept(self) -> ARef<File> {
        self
    }
}

/// Gives a new file descriptor for the file that `make` makes; `tell` writes its number back.
///
/// The number is reserved before and filled after all that can fail: on error the file is gone,
/// and userspace never saw it.
pub(super) fn give_fd<F: NewFile>(
    make: impl FnOnce() -> Result<F>,
    tell: impl FnOnce(i32) -> Result,
) -> Result {
    let reservation = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
    let file = make()?;

    tell(reservation.reserved_fd() as i32)?;
    reservation.fd_install(file.accept());
    Ok(())
}
