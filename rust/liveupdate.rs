// SPDX-License-Identifier: GPL-2.0

//! Linux live update: Kexec HandOver (KHO), the Live Update Orchestrator (LUO) and its handlers.

#![deny(unsafe_code)]

pub mod abi;
#[cfg(CONFIG_LIVEUPDATE)]
mod handlers;
#[allow(unsafe_code, reason = "this is where it lives")]
mod kernel;
mod kho;
pub mod logic;
#[cfg(CONFIG_LIVEUPDATE)]
mod luo;

#[cfg(CONFIG_LIVEUPDATE)]
use crate::kernel::local_module::LocalModule;

/// What `pr_*!` puts in front of each line.
const __LOG_PREFIX: &[u8] = b"liveupdate\0";
