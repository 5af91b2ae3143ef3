// SPDX-License-Identifier: GPL-2.0

//! The kinds of files that survive a live update.
//!
//! Each handler uses [`crate::kernel::liveupdate`] and what other drivers could use, too.

#[allow(unsafe_code, reason = "entry points for C")]
#[cfg(CONFIG_LIVEUPDATE_MEMFD_RUST)]
mod exports;
#[cfg(CONFIG_LIVEUPDATE_MEMFD_RUST)]
pub(crate) mod memfd;
#[cfg(CONFIG_PCI_LIVEUPDATE)]
pub(crate) mod pci;
