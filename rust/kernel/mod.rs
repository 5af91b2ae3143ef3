// SPDX-License-Identifier: GPL-2.0

//! Abstractions that the kernel crate lacks: one file each, fit to be sent upstream.
//!
//! `unsafe` lives here. What is outside sees types whose contract holds by construction.

pub(crate) mod bindings;
pub(crate) mod debugfs;
pub(crate) mod direct_map;
pub(crate) mod early;
pub(crate) mod fdt;
pub(crate) mod fmt;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod liveupdate;
#[cfg(CONFIG_LIVEUPDATE_MEMFD_RUST)]
pub(crate) mod memfd;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod module;
pub(crate) mod page;
#[cfg(CONFIG_LIVEUPDATE_MEMFD_RUST)]
pub(crate) mod shmem;
pub(crate) mod sync;
pub(crate) mod tree_page;
pub(crate) mod uts;
pub(crate) mod vmap;
