// SPDX-License-Identifier: MIT OR Apache-2.0

//! The wire format of `/dev/liveupdate`, as Rust sees it.
//!
//! `include/uapi/linux/liveupdate.h` is the source of truth; these are its mirrors. The asserts
//! below pin what was true when they were written, and the test `tests/header.rs` compiles the
//! header and compares every number with these.

use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;

/// The ioctl type of all live-update requests.
pub const IOCTL_TYPE: u8 = 0xBA;

/// Bytes in a session name field, the closing NUL included.
pub const SESSION_NAME_LENGTH: usize = 64;

/// Command numbers on the device.
pub mod device_cmd {
    /// Makes an outgoing session.
    pub const CREATE_SESSION: u8 = 0x00;
    /// Takes an incoming session.
    pub const RETRIEVE_SESSION: u8 = 0x01;
}

/// Command numbers on a session.
pub mod session_cmd {
    /// Marks a file for the next kernel.
    pub const PRESERVE_FD: u8 = 0x40;
    /// Restores a file from the previous kernel.
    pub const RETRIEVE_FD: u8 = 0x41;
    /// Ends an incoming session.
    pub const FINISH: u8 = 0x42;
    /// Reads the session's name.
    pub const GET_NAME: u8 = 0x43;
}

/// Mirror of `struct liveupdate_ioctl_create_session`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C)]
pub struct CreateSession {
    /// In: bytes in this structure.
    pub size: u32,
    /// Out: the session's descriptor.
    pub fd: i32,
    /// In: the name, closed by NUL.
    pub name: [u8; SESSION_NAME_LENGTH],
}

/// Mirror of `struct liveupdate_ioctl_retrieve_session`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C)]
pub struct RetrieveSession {
    /// In: bytes in this structure.
    pub size: u32,
    /// Out: the session's descriptor.
    pub fd: i32,
    /// In: the name, closed by NUL.
    pub name: [u8; SESSION_NAME_LENGTH],
}

/// Mirror of `struct liveupdate_session_preserve_fd`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct PreserveFd {
    /// In: bytes in this structure.
    pub size: u32,
    /// In: the file to preserve.
    pub fd: i32,
    /// In: what to ask for it by in the next kernel.
    pub token: u64,
}

/// Mirror of `struct liveupdate_session_retrieve_fd`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct RetrieveFd {
    /// In: bytes in this structure.
    pub size: u32,
    /// Out: the restored file.
    pub fd: i32,
    /// In: the token it was preserved with.
    pub token: u64,
}

/// Mirror of `struct liveupdate_session_finish`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C)]
pub struct Finish {
    /// In: bytes in this structure.
    pub size: u32,
    /// In: zero.
    pub reserved: u32,
}

/// Mirror of `struct liveupdate_session_get_name`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C)]
pub struct GetName {
    /// In: bytes in this structure.
    pub size: u32,
    /// In: zero.
    pub reserved: u32,
    /// Out: the name, closed by NUL.
    pub name: [u8; SESSION_NAME_LENGTH],
}

macro_rules! assert_layout {
    ($ty:ty, size $size:literal, align $align:literal, $($field:ident at $offset:literal),+) => {
        const _: () = {
            assert!(size_of::<$ty>() == $size);
            assert!(align_of::<$ty>() == $align);
            $(assert!(core::mem::offset_of!($ty, $field) == $offset);)+
        };
    };
}

assert_layout!(CreateSession, size 72, align 4, size at 0, fd at 4, name at 8);
assert_layout!(RetrieveSession, size 72, align 4, size at 0, fd at 4, name at 8);
assert_layout!(PreserveFd, size 16, align 8, size at 0, fd at 4, token at 8);
assert_layout!(RetrieveFd, size 16, align 8, size at 0, fd at 4, token at 8);
assert_layout!(Finish, size 8, align 4, size at 0, reserved at 4);
assert_layout!(GetName, size 72, align 4, size at 0, reserved at 4, name at 8);
