// SPDX-License-Identifier: GPL-2.0

//! Where the running kernel came from.
//!
//! C counterpart: `include/linux/kho/abi/kexec_metadata.h`. A blob of its own, so that it can
//! change without the rest of the handover.

use zerocopy_derive::FromBytes;
use zerocopy_derive::Immutable;
use zerocopy_derive::IntoBytes;
use zerocopy_derive::KnownLayout;

use super::assert_layout;

/// Name of the subtree (`KHO_METADATA_NODE_NAME`).
pub const NODE_NAME: &str = "kexec-metadata";

/// The version that this code reads and writes (`KHO_KEXEC_METADATA_VERSION`).
pub const VERSION: u32 = 1;

/// Bytes of a kernel release with its NUL (`__NEW_UTS_LEN + 1`).
pub const RELEASE_LEN: usize = 65;

/// The blob (`struct kho_kexec_metadata`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct KexecMetadata {
    /// [`VERSION`]. First in every version of the structure.
    pub version: u32,
    /// Release of the kernel that called kexec, ended by NUL.
    pub previous_release: [u8; RELEASE_LEN],
    /// Number of kexec boots since the last cold boot.
    pub kexec_count: u32,
}

assert_layout!(KexecMetadata, 73, { version: 0, previous_release: 4, kexec_count: 69 });
