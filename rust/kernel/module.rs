// SPDX-License-Identifier: GPL-2.0

//! The abstractions that handlers in modules of their own use.
//!
//! The same files as in [`mod.rs`](super), but for those of things that the kernel exports to
//! nobody.

pub(crate) mod bindings;
#[allow(dead_code, reason = "the built-in half uses all of it")]
mod direct_map;
pub(crate) mod kho_memory;
#[allow(
    dead_code,
    reason = "what authors of handlers may use, whether or not one here does"
)]
pub(crate) mod liveupdate;
#[allow(dead_code, reason = "the built-in half uses all of it")]
pub(crate) mod pci;
mod pci_address;
#[allow(dead_code, reason = "the built-in half uses all of it")]
pub(crate) mod sync;
pub(crate) mod vfio;
