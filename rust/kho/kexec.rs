// SPDX-License-Identifier: GPL-2.0

//! What loading a kernel by `kexec_file_load()` asks of KHO.

use crate::abi::addr::PhysAddr;
use crate::abi::kho::KhoScratch;

use super::incoming;
use super::scratch;
use super::subtree;

/// What a kernel image needs to know: the device tree's address, and the scratch regions.
pub(super) struct ForImage {
    pub(super) fdt: PhysAddr,
    pub(super) scratch: &'static [KhoScratch],
}

/// What to tell the next kernel; [`None`] where KHO is off.
pub(super) fn for_image() -> Option<ForImage> {
    if !incoming::is_enabled() {
        return None;
    }
    Some(ForImage {
        fdt: subtree::root()?,
        scratch: scratch::regions(),
    })
}

/// Where the segments of a kernel image may go while KHO is on: first and last byte of each scratch
/// region. [`None`] where KHO is off.
pub(super) fn holes() -> Option<impl Iterator<Item = (u64, u64)>> {
    if !incoming::is_enabled() {
        return None;
    }
    Some(
        scratch::regions()
            .iter()
            .filter(|region| region.size != 0)
            .map(|region| (region.addr, region.addr.saturating_add(region.size - 1))),
    )
}
