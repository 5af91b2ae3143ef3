// SPDX-License-Identifier: GPL-2.0

//! The algorithms of live update, without a kernel around them.
//!
//! Whatever touches memory does so through a trait, so that the kernel and a test on the host
//! run the same code. What comes from another kernel is validated here before anybody uses it:
//! these functions neither panic nor loop without bound on any input, and say in their error
//! what was wrong and where.

pub mod busy;
pub mod chain;
pub mod except;
pub mod extents;
pub mod foreign;
pub mod key;
pub mod memfd;
pub mod metadata;
pub mod name;
pub mod pageset;
pub mod pci;
pub mod radix;
pub mod runs;
pub mod scratch;
pub mod sort;
pub mod vmalloc;
pub mod walk;

#[cfg(test)]
#[path = "tests/mem.rs"]
mod mem;
