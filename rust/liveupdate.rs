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

/// What `pr_*!` puts in front of each line.
const __LOG_PREFIX: &[u8] = b"liveupdate\0";

/// The owner of what is registered with C. Built-in code is never unloaded.
struct LocalModule;

impl ::kernel::ModuleMetadata for LocalModule {
    const NAME: &'static ::kernel::str::CStr = c"liveupdate";

    const THIS_MODULE: ::kernel::ThisModule = kernel::module::BUILT_IN;
}
