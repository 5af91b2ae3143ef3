// SPDX-License-Identifier: GPL-2.0

//! What the demos share, and what the two halves of each do.
//!
//! A guest's program is `/init` in both kernels: in the first it preserves, in the second it
//! retrieves. The host boots the first, follows the console, and compares. What the kernels are to
//! prove cannot be known to them beforehand: the host computes the digest of the data by itself, the
//! first kernel says its own before the jump, and the second computes it anew from what it got back.

pub mod data;
pub mod digest;
pub mod files;
pub mod guest;
#[cfg(feature = "host")]
pub mod host;
pub mod message;
pub mod vfio;
