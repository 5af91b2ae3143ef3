// SPDX-License-Identifier: GPL-2.0

//! Chains of blocks that hold an array of entries.
//!
//! C counterpart: `include/linux/kho/abi/block.h`. Each block is one preserved page: a
//! [`BlockHeader`], then up to [`entries_per_block`] entries without gaps.

use zerocopy_derive::FromBytes;
use zerocopy_derive::Immutable;
use zerocopy_derive::IntoBytes;
use zerocopy_derive::KnownLayout;

use super::assert_layout;

/// Most blocks that a chain may have (`KHO_MAX_BLOCKS`).
pub const MAX_BLOCKS: u64 = 10_000;

/// Start of a block (`struct kho_block_header_ser`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct BlockHeader {
    /// Physical address of the next block, or zero.
    pub next: u64,
    /// Entries in this block.
    pub count: u64,
}

assert_layout!(BlockHeader, 16, { next: 0, count: 8 });

/// Entries of `entry_size` bytes that fit into a block of `page_size` bytes; zero where not
/// even one does, or where `entry_size` is zero.
pub const fn entries_per_block(page_size: usize, entry_size: usize) -> u64 {
    let room = page_size.saturating_sub(core::mem::size_of::<BlockHeader>());

    match room.checked_div(entry_size) {
        // A page has far fewer bytes than 64 bits can count.
        Some(n) => n as u64,
        None => 0,
    }
}
