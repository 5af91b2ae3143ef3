// SPDX-License-Identifier: GPL-2.0

//! Kexec handover proper: the root tree, the map of preserved memory, vmalloc areas, scratch.
//!
//! C counterpart: `include/linux/kho/abi/kexec_handover.h` and, for [`KhoScratch`],
//! `include/asm-generic/kexec_handover.h`.
//!
//! The root is a flattened device tree in one page:
//!
//! ```text
//! / {
//!     compatible = "kho-v4";
//!     preserved-memory-map = <u64: physical address of the radix tree's root>;
//!     NAME {                              one node per subtree
//!         preserved-data = <u64: physical address of the blob>;
//!         blob-size = <u64: bytes>;
//!     };
//! };
//! ```
//!
//! The three integers are in machine byte order, not in the device tree's.

use zerocopy_derive::FromBytes;
use zerocopy_derive::Immutable;
use zerocopy_derive::IntoBytes;
use zerocopy_derive::KnownLayout;

use super::assert_layout;
use super::PAGE_SIZE;

/// `compatible` of the root node (`KHO_FDT_COMPATIBLE`).
pub const FDT_COMPATIBLE: &str = "kho-v4";

/// Property of the root node: address of the map of preserved memory
/// (`KHO_FDT_MEMORY_MAP_PROP_NAME`).
pub const MEMORY_MAP_PROP: &str = "preserved-memory-map";

/// Property of a subtree's node: physical address of its blob (`KHO_SUB_TREE_PROP_NAME`).
pub const SUBTREE_PROP: &str = "preserved-data";

/// Property of a subtree's node: size of its blob in bytes (`KHO_SUB_TREE_SIZE_PROP_NAME`).
pub const SUBTREE_SIZE_PROP: &str = "blob-size";

/// The mapping was made by `vmalloc()` (`KHO_VMALLOC_ALLOC`).
pub const VMALLOC_ALLOC: u16 = 0x0001;

/// The mapping may use huge pages (`KHO_VMALLOC_HUGE_VMAP`).
pub const VMALLOC_HUGE_VMAP: u16 = 0x0002;

/// All flags that this version knows.
pub const VMALLOC_FLAGS: u16 = VMALLOC_ALLOC | VMALLOC_HUGE_VMAP;

/// A preserved vmalloc area (`struct kho_vmalloc`), embedded in the structure of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct KhoVmalloc {
    /// Physical address of the first [`VmallocChunk`], or zero.
    pub first: u64,
    /// Length of the area in pages.
    pub total_pages: u32,
    /// `VMALLOC_*`.
    pub flags: u16,
    /// Order of each block of pages that a chunk lists.
    pub order: u16,
}

assert_layout!(KhoVmalloc, 16, { first: 0, total_pages: 8, flags: 12, order: 14 });

/// Number of addresses in one [`VmallocChunk`] with pages of `page_size` bytes
/// (`KHO_VMALLOC_SIZE`).
pub const fn vmalloc_chunk_len(page_size: usize) -> usize {
    (page_size - 8) / 8
}

/// One page that lists blocks of a vmalloc area (`struct kho_vmalloc_chunk`).
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct VmallocChunk {
    /// Physical address of the next chunk, or zero.
    pub next: u64,
    /// Physical addresses of the blocks; a zero ends the list early.
    pub phys: [u64; vmalloc_chunk_len(PAGE_SIZE)],
}

assert_layout!(VmallocChunk, PAGE_SIZE, { next: 0, phys: 8 });

/// A region that the next kernel may boot in (`struct kho_scratch`): no preserved memory in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct KhoScratch {
    /// Physical address of the first byte.
    pub addr: u64,
    /// Length in bytes.
    pub size: u64,
}

assert_layout!(KhoScratch, 16, { addr: 0, size: 8 });

/// Shape of the radix tree that maps preserved memory, for pages of `1 << SHIFT` bytes
/// (`enum kho_radix_consts`).
///
/// Each node is one page. Level 0 is a bitmap with one bit per key; a node of a higher level
/// is a table of physical addresses of nodes one level below, zero for none.
pub struct Geometry<const SHIFT: u32>;

impl<const SHIFT: u32> Geometry<SHIFT> {
    /// Bits in a key: a page frame number and one bit for the order (`KHO_RADIX_KEY_WIDTH`).
    pub const KEY_WIDTH: u32 = 64 - SHIFT + 1;

    /// Binary logarithm of the slots in a table (`KHO_TABLE_SIZE_LOG2`).
    pub const TABLE_BITS: u32 = SHIFT - 3;

    /// Binary logarithm of the bits in a bitmap (`KHO_BITMAP_SIZE_LOG2`).
    pub const BITMAP_BITS: u32 = SHIFT + 3;

    /// Levels, the bitmap's included (`KHO_TREE_MAX_DEPTH`).
    pub const DEPTH: u32 = (Self::KEY_WIDTH - Self::BITMAP_BITS).div_ceil(Self::TABLE_BITS) + 1;

    /// 64-bit words in a node, be it a table or a bitmap.
    pub const WORDS: usize = 1 << Self::TABLE_BITS;

    /// Highest order that a key can carry.
    pub const MAX_ORDER: u32 = 63 - SHIFT;
}

/// No page size gives a tree deeper than this.
pub const MAX_DEPTH: usize = 6;

const _: () = {
    assert!(Geometry::<12>::DEPTH == 6);
    assert!(Geometry::<14>::DEPTH == 5);
    assert!(Geometry::<16>::DEPTH == 4);
    assert!(Geometry::<{ super::PAGE_SHIFT }>::WORDS * 8 == PAGE_SIZE);
};
