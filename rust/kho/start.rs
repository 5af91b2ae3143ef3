// SPDX-License-Identifier: GPL-2.0

//! Setting the outgoing side up, once there are slab and initcalls.

#![expect(
    unsafe_code,
    reason = "link_section counts as such; nothing here is unsafe"
)]

use kernel::prelude::*;

use crate::kernel::thread;

use super::debugfs;
use super::exports;
use super::incoming;
use super::ingest;
use super::metadata;
use super::outgoing;
use super::scratch;
use super::subtree;

/// Sets the outgoing side up; switches KHO off if that fails.
///
/// C counterpart: `kho_init()`.
#[link_section = ".init.text"]
pub(super) fn start() -> Result {
    release_holes();
    if !incoming::is_enabled() {
        return Ok(());
    }
    debugfs::start();
    if let Err(error) = start_outgoing() {
        pr_err!(
            "KHO: cannot be set up, disabling kexec handover: {:?}\n",
            error
        );
        metadata::stop();
        subtree::stop();
        outgoing::stop();
        scratch::release();
        incoming::set_enabled(false);
        return Err(error);
    }
    debugfs::show_in();
    scratch::release_to_cma();
    Ok(())
}

/// Gives back what was reserved between preserved pages, without making the boot wait for it.
#[link_section = ".init.text"]
fn release_holes() {
    if !ingest::has_holes() {
        return;
    }
    if let Err(error) = thread::run_in_background(exports::lu_kho_release_holes, c"kho_holes") {
        pr_warn!("KHO: no thread to release free pages, doing it now: {error:?}\n");
        ingest::release_holes();
    }
}

fn start_outgoing() -> Result {
    let map = outgoing::start()?;
    subtree::start(map)?;
    metadata::start()
}
