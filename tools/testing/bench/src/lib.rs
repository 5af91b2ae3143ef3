// SPDX-License-Identifier: GPL-2.0

//! What the two halves of the benchmark share.
//!
//! The guest's program is `/init` in both kernels: the first preserves, the second retrieves. Both
//! take times by the processor's time stamp counter, which runs on through the live update. The host
//! chooses what to preserve, boots the first kernel, and makes figures of what the two have said.

pub mod mark;
pub mod message;
pub mod tsc;
pub mod work;

/// Where the guest finds [`work::Plan`].
pub const PLAN_PATH: &str = "/bench/plan.json";
/// Where the first kernel finds the second.
pub const NEXT_KERNEL_PATH: &str = "/bench/next/kernel";
/// Where the first kernel finds the initial ramdisk of the second.
pub const NEXT_INITRD_PATH: &str = "/bench/next/initrd";
/// The size of a page, on all machines that the benchmark knows.
pub const PAGE_BYTES: usize = 4096;
/// Pages of a large folio.
pub const HUGE_PAGES: u64 = 512;
