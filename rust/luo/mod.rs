// SPDX-License-Identifier: GPL-2.0

//! The Live Update Orchestrator: file descriptors that survive a kexec.
//!
//! Userspace makes named [`session`]s through [`device`] and puts files into them. For each file a
//! registered handler saves what it takes ([`file`], [`registry`]), together with what files share
//! ([`flb`]). When the next kernel is about to be started everything is frozen and written down;
//! that kernel reads it ([`incoming`]) and gives the files back.
//!
//! C counterpart: `kernel/liveupdate/luo_*.c` and `kho_block.c` of mainline.

use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::AtomicFlag;
use kernel::sync::atomic::Relaxed;
use zerocopy::FromBytes;

use crate::abi::luo::LuoSer;
use crate::abi::luo::COMPATIBLE;
use crate::kho;
use crate::kho::Preserved;

pub(crate) mod blocks;
mod device;
#[allow(unsafe_code, reason = "entry points for C")]
mod exports;
mod file;
mod files;
mod flb;
mod incoming;
mod index;
mod name;
mod registry;
mod session;
mod uapi;

/// `liveupdate=`.
static ENABLED: AtomicFlag = AtomicFlag::new(false);

/// Number of live updates before this kernel.
static NUMBER: Atomic<u64> = Atomic::new(0);

/// Whether live update is on. C counterpart: `liveupdate_enabled()`.
pub(crate) fn is_enabled() -> bool {
    ENABLED.load(Relaxed)
}

/// Looks at what the previous kernel left, before drivers start.
fn start_early() {
    if !kho::is_enabled() {
        if is_enabled() {
            pr_warn!("LUO: live update is off because Kexec HandOver is; boot with kho=on\n");
        }
        ENABLED.store(false, Relaxed);
    }
    if is_enabled() {
        NUMBER.store(incoming::start(), Relaxed);
    }
}

/// Makes the outgoing side and the device, when everything else has started.
fn start_late() -> Result {
    if !is_enabled() {
        return Ok(());
    }
    start_outgoing()
        .and_then(|()| device::start())
        .inspect_err(|error| {
            pr_err!(
                "LUO: live update is off, it cannot be set up: {:?}\n",
                error
            );
            ENABLED.store(false, Relaxed);
        })
}

fn start_outgoing() -> Result {
    let flbs = flb::new_table()?;
    let mut luo = Preserved::new(core::mem::size_of::<LuoSer>())?;
    let (head, _) = LuoSer::mut_from_prefix(luo.bytes_mut()).map_err(|_| EINVAL)?;

    for (to, from) in head.compatible.iter_mut().zip(COMPATIBLE.bytes()) {
        *to = from;
    }
    head.liveupdate_num = NUMBER.load(Relaxed).wrapping_add(1);
    head.flbs_pa = flbs.phys().get();
    kho::add_subtree(
        incoming::SUBTREE,
        luo.phys(),
        core::mem::size_of::<LuoSer>(),
    )?;
    session::start(luo, flbs);
    Ok(())
}
