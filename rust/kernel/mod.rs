// SPDX-License-Identifier: GPL-2.0

//! Abstractions that the kernel crate lacks: one file each, fit to be sent upstream.
//!
//! `unsafe` lives here. What is outside sees types whose contract holds by construction.

#![cfg_attr(
    not(CONFIG_LIVEUPDATE_MEMFD_RUST),
    allow(dead_code, reason = "LUO and its handlers use all of it")
)]

mod abi_check;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod anon_inode;
pub(crate) mod bindings;
pub(crate) mod c_abi;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod c_flb;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod c_handler;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod c_registrant;
pub(crate) mod debugfs;
pub(crate) mod direct_map;
pub(crate) mod early;
pub(crate) mod fdt;
pub(crate) mod fmt;
pub(crate) mod holes;
pub(crate) mod list;
#[allow(
    dead_code,
    reason = "what authors of handlers may use, whether or not one here does"
)]
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod liveupdate;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod local_module;
pub(crate) mod mark;
#[cfg(CONFIG_LIVEUPDATE_MEMFD_RUST)]
pub(crate) mod memfd;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod module_ref;
pub(crate) mod page;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod panic;
#[cfg(CONFIG_PCI_LIVEUPDATE)]
pub(crate) mod pci;
#[cfg(CONFIG_PCI_LIVEUPDATE)]
mod pci_address;
#[cfg(CONFIG_LIVEUPDATE_MEMFD_RUST)]
mod pin;
pub(crate) mod ram_pages;
#[cfg(CONFIG_LIVEUPDATE_MEMFD_RUST)]
pub(crate) mod shmem;
pub(crate) mod sync;
pub(crate) mod table;
pub(crate) mod taken;
pub(crate) mod thread;
pub(crate) mod tree_page;
#[cfg(CONFIG_LIVEUPDATE)]
pub(crate) mod uaccess;
pub(crate) mod uts;
pub(crate) mod vmap;
