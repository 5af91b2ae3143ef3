// SPDX-License-Identifier: GPL-2.0

//! Taking the previous kernel's tree of preserved memory in.
//!
//! The tree is read twice. [`survey`] checks all of it and turns it into a bitmap, which is sorted
//! by address, where the tree is sorted by order first. [`reserve`] reserves the ranges of the
//! bitmap, each as one region however many folios it is made of, and reads the tree again to mark
//! the first page of each block.
//!
//! Whatever is wrong is said once, and makes the incoming side unavailable; memory that the
//! readable part of the tree names is reserved nonetheless.

#![expect(
    unsafe_code,
    reason = "link_section counts as such; nothing here is unsafe"
)]

use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::kho::Geometry;
use crate::abi::PAGE_SHIFT;
use crate::kernel::early;
use crate::kernel::early::EarlyWords;
use crate::kernel::early::RamMap;
use crate::kernel::early::ReservedForever;
use crate::kernel::sync::StaticMutex;
use crate::kernel::tree_page;
use crate::logic::busy;
use crate::logic::busy::BusyBlocks;
use crate::logic::pageset;
use crate::logic::pageset::Inserted;
use crate::logic::runs::Run;
use crate::logic::walk::Limits;

use super::early::Found;
use super::incoming;
use super::scratch;

/// What [`survey`] found out, for [`reserve`].
struct Survey {
    ram: RamMap,
    /// One bit for each page below the end of RAM: whether it is preserved.
    pages: EarlyWords,
    /// Whether the tree is what it should be, from end to end.
    sound: bool,
}

static SURVEY: StaticMutex<Option<Survey>> = StaticMutex::new(c"kho_survey", None);

/// Reads the whole tree, and lets memblock use 1 GiB blocks without preserved memory.
#[link_section = ".init.text"]
pub(super) fn survey(found: &Found) {
    let end = early::end_of_ram();
    let Some(len) = pageset::words_for(end.pfn()) else {
        return;
    };
    let (Some(ram), Some(mut pages), Some(mut blocks)) = (
        RamMap::new(),
        EarlyWords::new(len),
        EarlyWords::new(busy::words_for(end)),
    ) else {
        // The memory could be used by anyone from here on: do not pretend.
        pr_err!("KHO: no memory to read the map of preserved memory: nothing can be restored\n");
        incoming::give_up();
        return;
    };
    let sound = read_tree(found, &ram, &mut pages);

    if sound {
        if let Some(mut busy) = BusyBlocks::new(&mut blocks, end) {
            mark_busy(found, &ram, &pages, &mut busy);
            extend_scratch(&busy);
        }
    }
    blocks.free();
    *SURVEY.lock() = Some(Survey { ram, pages, sound });
}

/// Puts all preserved pages into `pages`. False if something is wrong with the tree.
fn read_tree(found: &Found, ram: &RamMap, pages: &mut [u64]) -> bool {
    let tree = tree_page::foreign_tree(found.map, ram, limits(pages));
    let mut sound = true;

    for run in tree.runs() {
        match run {
            Ok(run) => sound &= admit(&run, ram, pages),
            Err(corrupt) => {
                pr_err!("KHO: map of preserved memory: {}\n", corrupt);
                return false;
            }
        }
    }
    // The device tree is read for as long as this kernel runs.
    let fdt = found.fdt.pfn();
    if sound && !pageset::intersects(pages, fdt, Pfn::new(fdt.get().saturating_add(1))) {
        pr_err!(
            "KHO: device tree at {} is not in preserved memory\n",
            found.fdt
        );
        sound = false;
    }
    sound
}

/// What a tree may say on a machine with as much memory as `pages` has bits.
fn limits(pages: &[u64]) -> Limits {
    Limits::new(
        Pfn::new(pages.len() as u64 * u64::from(u64::BITS)),
        Geometry::<PAGE_SHIFT>::MAX_ORDER,
    )
}

/// Puts a run into `pages`, if it is memory that the previous kernel could preserve.
fn admit(run: &Run, ram: &RamMap, pages: &mut [u64]) -> bool {
    let (start, Some(end)) = (run.start, run.end()) else {
        pr_err!("KHO: preserved memory at {} has no end\n", run.start);
        return false;
    };
    if !ram.contains(start, end) {
        pr_err!("KHO: preserved pages {}-{} are not in RAM\n", start, end);
        return false;
    }
    if scratch::overlaps_pages(start, end) {
        pr_err!(
            "KHO: preserved pages {}-{} are in scratch memory\n",
            start,
            end
        );
        return false;
    }
    match pageset::insert(pages, start, end) {
        Inserted::Fresh => true,
        Inserted::Overlap => {
            pr_err!(
                "KHO: preserved pages {}-{} are preserved twice\n",
                start,
                end
            );
            false
        }
        Inserted::OutOfRange => {
            pr_err!("KHO: preserved pages {}-{} are above all RAM\n", start, end);
            false
        }
    }
}

/// Marks the blocks that have preserved memory or nodes of the tree, which are not preserved but
/// are read again.
fn mark_busy(found: &Found, ram: &RamMap, pages: &[u64], blocks: &mut BusyBlocks<'_>) {
    for (start, end) in pageset::Ranges::new(pages) {
        if let (Some(start), Some(end)) = (start.phys(), end.phys()) {
            blocks.mark(start, end);
        }
    }
    let tree = tree_page::foreign_tree(found.map, ram, limits(pages));
    for node in tree.nodes().flatten() {
        if let Some(end) = node.checked_add(1 << PAGE_SHIFT) {
            blocks.mark(node, end);
        }
    }
}

/// Makes all free blocks scratch, so that early boot does not run out of memory.
#[link_section = ".init.text"]
fn extend_scratch(blocks: &BusyBlocks<'_>) {
    for (start, end) in blocks.gaps() {
        if let Some(size) = end.checked_sub(start) {
            if early::mark_scratch(start, size).is_err() {
                pr_err!("KHO: failed to extend scratch by {}-{}\n", start, end);
                return;
            }
        }
    }
}

/// Reserves all preserved memory, and marks its blocks to be restored.
#[link_section = ".init.text"]
pub(super) fn reserve(found: &Found) {
    let Some(survey) = SURVEY.lock().take() else {
        return;
    };
    let mut complete = true;
    for (start, end) in pageset::Ranges::new(&survey.pages) {
        complete &= reserve_range(start, end);
    }
    if survey.sound && complete {
        mark_all(found, &survey);
        accept(found);
    } else {
        pr_err!(
            "KHO: the previous kernel's handover is damaged: what it preserved stays reserved, nothing can be restored\n"
        );
        incoming::give_up();
    }
    survey.pages.free();
    survey.ram.free();
}

#[link_section = ".init.text"]
fn reserve_range(start: Pfn, end: Pfn) -> bool {
    let (Some(start), Some(end)) = (start.phys(), end.phys()) else {
        return false;
    };
    let Some(size) = end.checked_sub(start) else {
        return false;
    };
    if early::reserve_noinit(start, size).is_err() {
        pr_err!(
            "KHO: failed to reserve preserved memory {}-{}\n",
            start,
            end
        );
        return false;
    }
    true
}

#[link_section = ".init.text"]
fn mark_all(found: &Found, survey: &Survey) {
    let tree = tree_page::foreign_tree(found.map, &survey.ram, limits(&survey.pages));
    for run in tree.runs() {
        let Ok(run) = run else {
            return;
        };
        if let Some(end) = run.end() {
            early::mark_blocks(&survey.ram, run.start, end, run.order);
        }
    }
}

#[link_section = ".init.text"]
fn accept(found: &Found) {
    match ReservedForever::new(found.fdt, found.fdt_len) {
        Ok(root) => incoming::accept(root),
        Err(_) => {
            pr_err!("KHO: device tree at {} cannot be reserved\n", found.fdt);
            incoming::give_up();
        }
    }
}
