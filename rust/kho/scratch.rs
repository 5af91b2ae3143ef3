// SPDX-License-Identifier: GPL-2.0

//! Scratch: memory without anything preserved in it, for the next kernel to boot in.
//!
//! Reserved at a cold boot, and from then on inherited from kernel to kernel. While a kernel runs,
//! movable pages live there.

#![expect(
    unsafe_code,
    reason = "link_section counts as such; nothing here is unsafe"
)]

use kernel::prelude::*;
use kernel::sync::SetOnce;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::kho::KhoScratch;
use crate::kernel::early;
use crate::kernel::early::EarlyWords;
use crate::kernel::early::Place;
use crate::kernel::early::ReservedForever;
use crate::kernel::sync::StaticMutex;
use crate::logic::except::Range;
use crate::logic::scratch::ScratchSpec;

use super::incoming;

/// `kho_scratch=`.
static SPEC: StaticMutex<Option<ScratchSpec>> = StaticMutex::new(c"kho_scratch", None);

/// The regions, and whether this kernel reserved them itself.
struct Regions {
    array: &'static [KhoScratch],
    inherited: bool,
}

static REGIONS: SetOnce<Regions> = SetOnce::new();

/// All scratch regions; none before memory is initialised, or where there are none.
pub(super) fn regions() -> &'static [KhoScratch] {
    REGIONS.as_ref().map_or(&[], |regions| regions.array)
}

/// Whether `size` bytes from `start` touch scratch.
///
/// C counterpart: `kho_scratch_overlap()`.
#[inline]
pub(super) fn overlaps(start: PhysAddr, size: u64) -> bool {
    let end = start.get().saturating_add(size);

    // A region may be empty, wherever it says to be.
    regions()
        .iter()
        .filter(|region| region.size != 0)
        .any(|region| start.get() < region.addr.saturating_add(region.size) && end > region.addr)
}

/// Whether the pages from `start` to before `end` touch scratch.
pub(super) fn overlaps_pages(start: Pfn, end: Pfn) -> bool {
    match (start.phys(), end.phys()) {
        (Some(start), Some(end)) => overlaps(start, end.get().saturating_sub(start.get())),
        _ => true,
    }
}

/// The scratch regions in pages, each as first page and the page behind the last one.
pub(super) fn page_ranges() -> impl ExactSizeIterator<Item = Range> {
    regions().iter().map(|region| {
        let end = PhysAddr::new(region.addr.saturating_add(region.size));

        [PhysAddr::new(region.addr).pfn().get(), end.pfn().get()]
    })
}

/// The pages around `pfn` without scratch among them, as first page and the page behind the last
/// one. None if `pfn` is in scratch.
pub(super) fn free_around(pfn: Pfn) -> (Pfn, Pfn) {
    let (mut first, mut end) = (0, u64::MAX);

    for [start, stop] in page_ranges().filter(|[start, stop]| start < stop) {
        if pfn.get() >= stop {
            first = first.max(stop);
        } else if pfn.get() < start {
            end = end.min(start);
        } else {
            return (pfn, pfn);
        }
    }
    (Pfn::new(first), Pfn::new(end))
}

/// Takes `kho_scratch=` from the command line.
#[link_section = ".init.text"]
pub(super) fn set_spec(text: &[u8]) -> Result {
    match ScratchSpec::parse(text) {
        Ok(spec) => {
            match spec {
                ScratchSpec::Scale { percent } => {
                    pr_notice!("KHO: scratch scale is {}%\n", percent)
                }
                ScratchSpec::Sizes {
                    lowmem,
                    global,
                    per_node,
                } => pr_notice!(
                    "KHO: scratch areas: lowmem: {}MiB global: {}MiB pernode: {}MiB\n",
                    lowmem >> 20,
                    global >> 20,
                    per_node >> 20
                ),
            }
            // Given twice, the last one counts, as with most parameters.
            *SPEC.lock() = Some(spec);
            Ok(())
        }
        Err(error) => {
            pr_err!("KHO: kho_scratch= is ignored: {}\n", error);
            Err(EINVAL)
        }
    }
}

/// Goes on with the scratch regions of the previous kernel.
#[link_section = ".init.text"]
pub(super) fn inherit(array: ReservedForever) {
    if let Ok(array) = <[KhoScratch]>::ref_from_bytes(array.bytes()) {
        REGIONS.populate(Regions {
            array,
            inherited: true,
        });
    }
}

/// Reserves scratch regions: one in low memory, one anywhere, one on each NUMA node.
///
/// C counterpart: `kho_reserve_scratch()`.
#[link_section = ".init.text"]
pub(super) fn reserve() {
    if !incoming::is_enabled() {
        return;
    }
    match reserve_all() {
        Ok(array) => {
            REGIONS.populate(Regions {
                array,
                inherited: false,
            });
        }
        Err(what) => {
            pr_err!(
                "KHO: failed to reserve {}, disabling kexec handover; see kho_scratch=\n",
                what
            );
            incoming::set_enabled(false);
        }
    }
}

#[link_section = ".init.text"]
fn reserve_all() -> Result<&'static [KhoScratch], &'static str> {
    let mut nodes = 0;
    let mut node = early::next_memory_node(None);
    while node.is_some() {
        nodes += 1;
        node = early::next_memory_node(node);
    }
    // A description is two words.
    let Some(mut words) = EarlyWords::new(2 * (nodes + 2)) else {
        return Err("the array of scratch regions");
    };
    if let Err(what) = fill(&mut words) {
        give_up(&words);
        words.free();
        return Err(what);
    }
    match <[KhoScratch]>::ref_from_bytes(words.leak().as_bytes()) {
        Ok(array) => Ok(array),
        Err(_) => Err("the array of scratch regions"),
    }
}

/// Reserves the regions that `words` has room for, and describes them there.
#[link_section = ".init.text"]
fn fill(words: &mut [u64]) -> Result<(), &'static str> {
    let spec = SPEC.lock().take().unwrap_or_default();
    let align = early::scratch_alignment();
    let low = early::reserved_bytes(Place::Low);
    let all = early::reserved_bytes(Place::Anywhere);
    let mut node = early::next_memory_node(None);
    let mut index = 0;

    while let Some(entry) = words.get_mut(2 * index..2 * index + 2) {
        let (place, size, what) = match index {
            0 => (Place::Low, spec.lowmem(low, align), "scratch in low memory"),
            1 => (
                Place::Anywhere,
                spec.global(low, all, align),
                "global scratch",
            ),
            _ => {
                let Some(nid) = node else {
                    return Err("scratch for a node that has gone");
                };
                node = early::next_memory_node(node);
                let place = Place::Node(nid);
                let size = spec.per_node(early::reserved_bytes(place), align);
                (place, size, "scratch on a node")
            }
        };
        let Some(size) = size else {
            return Err(what);
        };
        let Some(start) = early::alloc(size, align, place) else {
            return Err(what);
        };
        entry.copy_from_slice(&[start.get(), size]);
        index += 1;
    }
    Ok(())
}

/// Gives back what [`fill`] reserved before it failed.
#[link_section = ".init.text"]
fn give_up(words: &[u64]) {
    let mut index = 0;
    while let Some([start, size]) = words.get(index..index + 2) {
        if *size != 0 {
            early::free(PhysAddr::new(*start), *size);
        }
        index += 2;
    }
}

/// Hands the regions to the page allocator for movable pages, if this kernel reserved them. Those
/// that were inherited were never reserved: they came to the allocator with all free memory.
#[link_section = ".init.text"]
pub(super) fn release_to_cma() {
    let Some(regions) = REGIONS.as_ref() else {
        return;
    };
    if !regions.inherited {
        for region in regions.array {
            early::scratch_to_cma(PhysAddr::new(region.addr), region.size);
        }
    }
}

/// Hands the regions to the page allocator for anything, since KHO could not be set up.
#[link_section = ".init.text"]
pub(super) fn release() {
    let Some(regions) = REGIONS.as_ref() else {
        return;
    };
    if !regions.inherited {
        for region in regions.array {
            early::scratch_give_back(PhysAddr::new(region.addr), region.size);
        }
    }
}
