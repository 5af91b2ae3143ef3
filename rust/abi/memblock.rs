// SPDX-License-Identifier: GPL-2.0

//! Regions of the command line's `reserve_mem=`, which memblock preserves by itself.
//!
//! C counterpart: `include/linux/kho/abi/memblock.h`. The blob is a flattened device tree:
//! a root with [`COMPATIBLE`], and per region a node of the region's name with
//! [`RESERVE_MEM_COMPATIBLE`], `start` and `size` (u64, bytes, machine byte order).

/// Name of the subtree (`MEMBLOCK_KHO_FDT`).
pub const NODE_NAME: &str = "memblock";

/// `compatible` of the root node (`MEMBLOCK_KHO_NODE_COMPATIBLE`).
pub const COMPATIBLE: &str = "memblock-v1";

/// `compatible` of a region's node (`RESERVE_MEM_KHO_NODE_COMPATIBLE`).
pub const RESERVE_MEM_COMPATIBLE: &str = "reserve-mem-v1";
