// SPDX-License-Identifier: GPL-2.0

//! Early boot: before slab, before initcalls, one CPU.
//!
//! Three calls come from C, in this order: [`populate`] when the architecture meets the handover
//! data, before there is a direct map or a complete memblock; [`memory_init_early`] when all RAM is
//! known but has no struct pages; [`memory_init`] right before memblock hands what is free to the
//! page allocator.

#![expect(
    unsafe_code,
    reason = "link_section counts as such; nothing here is unsafe"
)]

use kernel::prelude::*;
use kernel::sync::SetOnce;
use zerocopy::FromBytes;

use crate::abi::addr::PhysAddr;
use crate::abi::kho::KhoScratch;
use crate::abi::PAGE_SHIFT;
use crate::kernel::early;
use crate::kernel::early::ReservedForever;
use crate::kernel::fdt;
use crate::kernel::fdt::Fdt;

use super::incoming;
use super::ingest;
use super::scratch;
use super::subtree;

/// The handover data that [`populate`] found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// The root device tree.
    pub(super) fdt: PhysAddr,
    /// Length of its memory in bytes.
    pub(super) fdt_len: usize,
    /// Root of the tree of preserved memory.
    pub(super) map: PhysAddr,
    /// The descriptions of the scratch regions.
    pub(super) scratch: ReservedForever,
}

static FOUND: SetOnce<Found> = SetOnce::new();

/// Longest device tree and longest array of scratch regions, in bytes, that is mapped in early
/// boot. Room for more NUMA nodes than any configuration allows.
const MAX_MAPPING: u64 = 64 << 10;

/// No kernel boots in less scratch than this, in bytes.
const MIN_SCRATCH: u64 = 1 << 20;

/// Bytes of one scratch description.
const SCRATCH_LEN: usize = core::mem::size_of::<KhoScratch>();

/// Looks at what the boot loader says is a handover, and makes memblock allocate from scratch if
/// it is one.
///
/// C counterpart: `kho_populate()`.
#[link_section = ".init.text"]
pub(super) fn populate(fdt: PhysAddr, fdt_len: u64, scratch: PhysAddr, scratch_len: u64) {
    match examine(fdt, fdt_len, scratch, scratch_len) {
        Ok(found) => {
            early::allocate_from_scratch_only();
            FOUND.populate(found);
            incoming::found();
            pr_info!("KHO: found kexec handover data.\n");
        }
        Err(reason) => pr_warn!(
            "KHO: handover ignored, nothing of it can be restored: {} (device tree {}+{:#x}, scratch {}+{:#x})\n",
            reason,
            fdt,
            fdt_len,
            scratch,
            scratch_len
        ),
    }
}

/// Checks everything that can be checked before memory is known, then tells memblock of the
/// scratch regions. On error that is all that may have changed.
#[link_section = ".init.text"]
fn examine(
    fdt: PhysAddr,
    fdt_len: u64,
    scratch: PhysAddr,
    scratch_len: u64,
) -> Result<Found, &'static str> {
    if fdt_len == 0 || fdt_len > MAX_MAPPING {
        return Err("length of the device tree makes no sense");
    }
    if !early::is_ram(fdt, fdt_len) {
        return Err("device tree is not in RAM");
    }
    let map = match early::with_mapped(fdt, fdt_len as usize, read_root) {
        Some(Ok(map)) => map,
        Some(Err(reason)) => return Err(reason),
        None => return Err("device tree cannot be mapped"),
    };
    if scratch_len == 0
        || scratch_len > MAX_MAPPING
        || !scratch_len.is_multiple_of(SCRATCH_LEN as u64)
    {
        return Err("length of the scratch array makes no sense");
    }
    if !early::is_ram(scratch, scratch_len) {
        return Err("scratch array is not in RAM");
    }
    let (mut offset, mut room) = (0, 0u64);
    while offset < scratch_len {
        room = room.saturating_add(check_region(scratch, offset)?);
        offset += SCRATCH_LEN as u64;
    }
    // It is all that this kernel would have to boot in.
    if room < MIN_SCRATCH {
        return Err("scratch regions are too small");
    }
    // As long as memblock knows of no scratch: where it knows of no memory at all, the regions
    // would be all that there is.
    let Ok(array) = ReservedForever::new(scratch, scratch_len as usize) else {
        return Err("scratch array cannot be reserved");
    };
    offset = 0;
    while offset < scratch_len {
        let region = read_region(scratch, offset)?;
        if region.size != 0 && early::add_scratch(PhysAddr::new(region.addr), region.size).is_err()
        {
            return Err("scratch region was refused by memblock");
        }
        offset += SCRATCH_LEN as u64;
    }
    Ok(Found {
        fdt,
        fdt_len: fdt_len as usize,
        map,
        scratch: array,
    })
}

/// Finds the root of the tree of preserved memory in the root device tree.
fn read_root(bytes: &[u8]) -> Result<PhysAddr, &'static str> {
    let Ok(tree) = Fdt::new(bytes) else {
        return Err("device tree is damaged");
    };
    if !tree.is_compatible(subtree::COMPATIBLE) {
        return Err("device tree is incompatible: it is not 'kho-v4'");
    }
    match tree.u64(fdt::ROOT, subtree::MEMORY_MAP) {
        Ok(map) if map != 0 && PhysAddr::new(map).is_aligned(PAGE_SHIFT) => Ok(PhysAddr::new(map)),
        Ok(_) => Err("map of preserved memory has an impossible address"),
        Err(_) => Err("device tree does not say where the map of preserved memory is"),
    }
}

/// Reads the scratch description at `offset`. Each is mapped by itself: together they may be too
/// long for the early mappings.
#[link_section = ".init.text"]
fn read_region(array: PhysAddr, offset: u64) -> Result<KhoScratch, &'static str> {
    let Some(at) = array.checked_add(offset) else {
        return Err("scratch array wraps");
    };
    match early::with_mapped(at, SCRATCH_LEN, parse_region) {
        Some(Some(region)) => Ok(region),
        _ => Err("scratch array cannot be mapped"),
    }
}

fn parse_region(bytes: &[u8]) -> Option<KhoScratch> {
    KhoScratch::read_from_bytes(bytes).ok()
}

/// Checks the scratch description at `offset`. Returns the length of the region in bytes.
#[link_section = ".init.text"]
fn check_region(array: PhysAddr, offset: u64) -> Result<u64, &'static str> {
    let region = read_region(array, offset)?;
    let start = PhysAddr::new(region.addr);

    // On a machine whose memory is all low, the global region is empty.
    if region.size == 0 {
        return Ok(0);
    }
    if !start.is_aligned(PAGE_SHIFT)
        || !PhysAddr::new(region.size).is_aligned(PAGE_SHIFT)
        || start.checked_add(region.size).is_none()
    {
        return Err("scratch region makes no sense");
    }
    if !early::is_ram(start, region.size) {
        return Err("scratch region is not in RAM");
    }
    Ok(region.size)
}

/// Reads the tree of preserved memory, and lets memblock use what is far from it.
///
/// C counterpart: `kho_memory_init_early()`.
#[link_section = ".init.text"]
pub(super) fn memory_init_early() {
    let Some(found) = FOUND.copy() else {
        return;
    };
    // With UEFI, memory was not known before.
    if !found.scratch.is_ram() {
        pr_err!("KHO: scratch array is not in RAM: nothing can be restored\n");
        incoming::give_up();
        return;
    }
    scratch::inherit(found.scratch);
    ingest::survey(&found);
}

/// Keeps preserved memory from the page allocator, or reserves scratch on a cold boot.
///
/// C counterpart: `kho_memory_init()`.
#[link_section = ".init.text"]
pub(super) fn memory_init() {
    if early::is_kdump_kernel() {
        incoming::set_enabled(false);
        pr_info!("KHO: disabled in the kdump kernel\n");
        return;
    }
    match FOUND.copy() {
        Some(found) => ingest::reserve(&found),
        None => scratch::reserve(),
    }
}
