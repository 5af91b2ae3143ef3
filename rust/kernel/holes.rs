// SPDX-License-Identifier: GPL-2.0

//! Reserving preserved pages in early boot, and giving back what was reserved between them.
//!
//! memblock takes time that grows with the square of the number of its regions. So when there are
//! many ranges of preserved pages, they are reserved together with the gaps between them. These
//! holes are given to the page allocator later, when it is there.

use core::ptr::NonNull;
use core::slice;

use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::logic::except;
use crate::logic::except::Except;
use crate::logic::except::Range;
use crate::logic::pageset;
use crate::logic::pageset::Bridged;
use crate::logic::runs::Blocks;

use super::bindings;
use super::direct_map;
use super::early;
use super::early::EarlyWords;
use super::page;
use super::ram_pages::RamPages;
use super::taken::ManagedPages;

/// Ranges of preserved pages that memblock is given at most, if bridging gaps can do it.
const MAX_RANGES: usize = 256;

/// Gaps that are bridged, in pages, if there are more ranges than that: at least those in blocks of
/// the page allocator, at most those of a gibibyte.
const MIN_GAP: u64 = 1 << 10;
const MAX_GAP: u64 = 1 << 18;

/// A set of pages that is reserved in memblock, with initialised struct pages.
///
/// # Invariants
///
/// What [`pieces`] gives for `pages`, `gap` and `others` was reserved by the maker of this object,
/// and nobody uses it.
pub(crate) struct Reserved {
    pages: RamPages,
    gap: u64,
    others: EarlyWords,
}

/// What is reserved: the ranges of `pages` with the gaps between them, without `others`.
fn pieces<'a>(
    pages: &'a RamPages,
    gap: u64,
    others: &'a [Range],
) -> impl Iterator<Item = (Pfn, Pfn)> + 'a {
    Bridged::new(pages.words(), gap).flat_map(move |(start, end)| Except::new(start, end, others))
}

impl Reserved {
    /// Reserves `pages`, and initialises their struct pages.
    ///
    /// What is left alone is what is reserved already, and the `scratch` ranges. [`None`] if that
    /// fails, or if it would be pages of the set; what was reserved stays so.
    #[inline(always)]
    pub(crate) fn new(
        pages: RamPages,
        scratch: impl ExactSizeIterator<Item = Range>,
    ) -> Option<Self> {
        let (mut words, len) = early::reserved_ranges(scratch.len())?;
        let mut sound = true;

        for [start, end] in ranges_of(&words).iter().take(len) {
            if pageset::intersects(pages.words(), Pfn::new(*start), Pfn::new(*end)) {
                pr_err!(
                    "KHO: preserved pages are among {start:#x}-{end:#x}, which this kernel uses\n"
                );
                sound = false;
            }
        }
        for (slot, range) in words.chunks_exact_mut(2).skip(len).zip(scratch) {
            slot.copy_from_slice(&range);
        }
        except::sort(ranges_of_mut(&mut words));

        let gap = pageset::gap_for(pages.words(), MAX_RANGES, MIN_GAP, MAX_GAP);
        for (start, end) in pieces(&pages, gap, ranges_of(&words)) {
            sound &= reserve(start, end);
            pages.init_struct_pages(start, end);
        }
        // INVARIANT: Just done.
        sound.then_some(Self {
            pages,
            gap,
            others: words,
        })
    }

    /// The pages.
    pub(crate) fn pages(&self) -> &RamPages {
        &self.pages
    }

    /// What is reserved without being preserved; [`None`] if there is nothing such.
    #[inline(always)]
    pub(crate) fn into_holes(self) -> Option<Holes> {
        let Self { pages, gap, others } = self;

        if gap <= 1 {
            pages.free();
            others.free();
            return None;
        }
        // The set's own memory serves: what is no hole is added to it. Where the ranges are has to
        // be known before.
        let Some(mut bounds) = EarlyWords::new(2 * pieces(&pages, gap, ranges_of(&others)).count())
        else {
            pr_warn!(
                "KHO: no memory to find free pages between preserved ones: they stay reserved\n"
            );
            return None;
        };
        for (slot, (start, end)) in
            bounds
                .chunks_exact_mut(2)
                .zip(pieces(&pages, gap, ranges_of(&others)))
        {
            slot.copy_from_slice(&[start.get(), end.get()]);
        }
        let taken = pages.into_all_but(ranges_of(&bounds));
        bounds.free();
        others.free();
        // INVARIANT: What is not in the set now is RAM in one of the pieces, which are nobody's and
        // have struct pages.
        Some(Holes {
            taken,
            next: 0,
            freed: 0,
        })
    }
}

#[inline(always)]
fn reserve(start: Pfn, end: Pfn) -> bool {
    let reserved = start.phys().zip(end.phys()).and_then(|(start, end)| {
        let size = end.checked_sub(start)?;
        early::reserve_noinit(start, size).ok()
    });
    if reserved.is_none() {
        pr_err!("KHO: failed to reserve preserved pages {start}-{end}\n");
    }
    reserved.is_some()
}

/// The ranges in an array of their bounds.
fn ranges_of(words: &[u64]) -> &[Range] {
    // SAFETY: Two words each, as many as there are whole ones.
    unsafe { slice::from_raw_parts(words.as_ptr().cast(), words.len() / 2) }
}

fn ranges_of_mut(words: &mut [u64]) -> &mut [Range] {
    // SAFETY: As above.
    unsafe { slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() / 2) }
}

/// Pages that are reserved only because of their neighbours, on their way to the page allocator.
///
/// # Invariants
///
/// The page of each bit that is not set is RAM, has an initialised struct page, is reserved in
/// memblock, and is nobody's.
pub(crate) struct Holes {
    /// One bit for each page; set where there is no hole, or no longer.
    taken: &'static mut [u64],
    /// The page where to go on.
    next: u64,
    /// Pages given back so far.
    freed: u64,
}

impl Holes {
    /// Pages given back so far.
    pub(crate) fn freed(&self) -> u64 {
        self.freed
    }

    /// Gives holes to the page allocator until it has got at least `count` pages or all of them
    /// are. False if there are no more.
    ///
    /// All struct pages of the machine must have been initialised: not before initcalls.
    pub(crate) fn release(&mut self, count: u64) -> bool {
        let stop = self.freed + count;
        let mut managed = ManagedPages::new();

        while self.freed < stop {
            let Some((start, end)) = pageset::next_gap(self.taken, self.next) else {
                return false;
            };
            // A range may be as long as memory: not more of it than asked for.
            let end = end.min(start + (stop - self.freed).next_multiple_of(1 << page::max_order()));

            // INVARIANT: They are somebody's from now on.
            pageset::insert(self.taken, Pfn::new(start), Pfn::new(end));
            self.next = end;
            for (pfn, order) in Blocks::new(Pfn::new(start), Pfn::new(end), page::node_of) {
                free_block(pfn, order, &mut managed);
            }
            self.freed += end - start;
        }
        true
    }

    /// Frees what told the holes apart.
    pub(crate) fn free(self) {
        let bytes = size_of_val(self.taken);
        // SAFETY: The memory was allocated by memblock, in whole pages, and is ours.
        unsafe { bindings::lu_free_boot_memory(self.taken.as_mut_ptr().cast(), bytes) };
    }
}

/// Gives a block that has just been removed from the [`Holes`] to the page allocator, in pieces
/// that it can take.
fn free_block(pfn: Pfn, order: u32, managed: &mut ManagedPages) {
    let piece = order.min(page::max_order());

    for index in 0..1u64 << (order - piece) {
        let page = direct_map::page_of(Pfn::new(pfn.get() + (index << piece)));

        // SAFETY: By the invariant of `Holes` the pages are nobody's, reserved, and initialised.
        unsafe { bindings::lu_free_reserved_block(page, piece) };
        if let Some(page) = NonNull::new(page) {
            managed.add(page, 1 << piece);
        }
    }
}
