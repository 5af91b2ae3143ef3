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
pub(crate) mod page;
pub(crate) mod sync;
pub(crate) mod tree_page;
pub(crate) mod uts;
pub(crate) mod vmap;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod anon_inode;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod c_flb;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod c_handler;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod module_ref;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod uaccess;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod panic;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod local_module;
