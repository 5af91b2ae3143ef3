// SPDX-License-Identifier: GPL-2.0

//! State of the live update orchestrator.
//!
//! C counterpart: `include/linux/kho/abi/luo.h`. [`LuoSer`] is the blob of the subtree
//! [`ENTRY_NAME`]. From it hang a block chain of [`SessionSer`], from each of those a block
//! chain of [`FileSer`], and one contiguous array of [`FlbSer`] behind a [`FlbHeaderSer`].

use zerocopy_derive::FromBytes;
use zerocopy_derive::Immutable;
use zerocopy_derive::IntoBytes;
use zerocopy_derive::KnownLayout;

use super::assert_layout;

/// Name of the subtree (`LUO_KHO_ENTRY_NAME`).
pub const ENTRY_NAME: &str = "LUO";

/// `compatible` of [`LuoSer`] (`LUO_ABI_COMPATIBLE`).
pub const COMPATIBLE: &str = "luo-v5";

/// Bytes of [`LuoSer::compatible`]: the string and its NUL, rounded up to a multiple of eight
/// (`LUO_ABI_COMPAT_LEN`).
pub const COMPAT_LEN: usize = (COMPATIBLE.len() + 1).next_multiple_of(8);

/// Bytes of a session's name with its NUL (`LIVEUPDATE_SESSION_NAME_LENGTH`, userspace ABI).
pub const SESSION_NAME_LEN: usize = 64;

/// Bytes of a file handler's compatible string with its NUL
/// (`LIVEUPDATE_HNDL_COMPAT_LENGTH`).
pub const HANDLER_COMPAT_LEN: usize = 48;

/// Bytes of an FLB's compatible string with its NUL (`LIVEUPDATE_FLB_COMPAT_LENGTH`).
pub const FLB_COMPAT_LEN: usize = 48;

/// Root of all orchestrator state (`struct luo_ser`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct LuoSer {
    /// [`COMPATIBLE`], padded with NUL.
    pub compatible: [u8; COMPAT_LEN],
    /// Number of live updates since the last cold boot.
    pub liveupdate_num: u64,
    /// Physical address of the first block of sessions, or zero.
    pub sessions_pa: u64,
    /// Physical address of the FLB header, or zero.
    pub flbs_pa: u64,
}

assert_layout!(LuoSer, 32, {
    compatible: 0,
    liveupdate_num: 8,
    sessions_pa: 16,
    flbs_pa: 24,
});

/// A preserved file (`struct luo_file_ser`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct FileSer {
    /// Compatible string of the handler, ended by NUL.
    pub compatible: [u8; HANDLER_COMPAT_LEN],
    /// What the handler's preserve returned; opaque here.
    pub data: u64,
    /// The token by which userspace knows the file; unique in its session.
    pub token: u64,
}

assert_layout!(FileSer, 64, { compatible: 0, data: 48, token: 56 });

/// The files of one session (`struct luo_file_set_ser`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct FileSetSer {
    /// Physical address of the first block of files, or zero.
    pub files: u64,
    /// Files in the whole chain.
    pub count: u64,
}

assert_layout!(FileSetSer, 16, { files: 0, count: 8 });

/// A session (`struct luo_session_ser`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct SessionSer {
    /// Name, ended by NUL; unique among sessions.
    pub name: [u8; SESSION_NAME_LEN],
    /// Its files.
    pub file_set: FileSetSer,
}

assert_layout!(SessionSer, 80, { name: 0, file_set: 64 });

/// Start of the array of FLB objects (`struct luo_flb_header_ser`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct FlbHeaderSer {
    /// Pages of the whole region, this header included.
    pub pgcnt: u64,
    /// Number of [`FlbSer`] that follow.
    pub count: u64,
}

assert_layout!(FlbHeaderSer, 16, { pgcnt: 0, count: 8 });

/// A preserved object that files share (`struct luo_flb_ser`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct FlbSer {
    /// Compatible string of the object, ended by NUL.
    pub name: [u8; FLB_COMPAT_LEN],
    /// What the object's preserve returned; opaque here.
    pub data: u64,
    /// Preserved files that depend on it.
    pub count: u64,
}

assert_layout!(FlbSer, 64, { name: 0, data: 48, count: 56 });

/// FLB entries that fit behind a [`FlbHeaderSer`] into a region of `bytes`.
pub const fn flb_capacity(bytes: usize) -> usize {
    bytes.saturating_sub(core::mem::size_of::<FlbHeaderSer>()) / core::mem::size_of::<FlbSer>()
}
