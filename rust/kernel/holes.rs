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
use crate::abi::PAGE_SHIFT;
use crate::logic::busy;
use crate::logic::except;
use crate::logic::except::Except;
use crate::logic::except::Range;
use crate::logic::pageset;
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
/// the page allocator; at most those that cannot have a block that was made scratch, for memblock
/// allocates there.
const MIN_GAP: u64 = 4 << (20 - PAGE_SHIFT);
const MAX_GAP: u64 = 1 << (busy::BLOCK_SHIFT - PAGE_SHIFT);

/// Pages that have to be free until the gaps are, besides scratch, where not everything may be.
const MIN_FREE: u64 = 128 << (20 - PAGE_SHIFT);

/// Ranges between which gaps stay free if there would not be as many otherwise. memblock takes some
/// 100 ms for them.
const OPEN_RANGES: usize = 8192;

/// A set of pages that is reserved in memblock, with initialised struct pages.
///
/// # Invariants
///
/// What [`pieces`] gives for `pages`, `bridge` and `others` was reserved by the maker of this object,
/// and nobody uses it.
pub(crate) struct Reserved {
    pages: RamPages,
    bridge: Bridge,
    others: EarlyWords,
}

/// Which gaps between preserved pages are reserved with them.
#[derive(Clone, Copy)]
struct Bridge {
    /// Those of fewer pages than this; 1 for none.
    gap: u64,
    /// None from this word of the set on.
    open: usize,
}

impl Bridge {
    /// As few as it takes for memblock to be fast, but such that this kernel can boot.
    fn new(pages: &RamPages, others: &[Range]) -> Self {
        let words = pages.words();
        let bridge = Self {
            gap: pageset::gap_for(words, MAX_RANGES, MIN_GAP, MAX_GAP),
            open: words.len(),
        };

        if bridge.gap <= 1 || free_beside(pages, bridge, others) >= MIN_FREE {
            return bridge;
        }
        Self {
            open: pageset::last_ranges(words, OPEN_RANGES),
            ..bridge
        }
    }
}

/// What is reserved: the ranges of `pages` with the gaps between them, without `others`.
fn pieces<'a>(
    pages: &'a RamPages,
    bridge: Bridge,
    others: &'a [Range],
) -> impl Iterator<Item = (Pfn, Pfn)> + 'a {
    pageset::bridged_below(pages.words(), bridge.gap, bridge.open)
        .flat_map(move |(start, end)| Except::new(start, end, others))
}

/// Pages of RAM that are neither in `others` nor in the [`pieces`].
fn free_beside(pages: &RamPages, bridge: Bridge, others: &[Range]) -> u64 {
    let ram = pages.ram();
    let len = |(start, end): (Pfn, Pfn)| end.get().saturating_sub(start.get());
    let all: u64 = ram
        .ranges()
        .flat_map(|range| Except::new(range.start, range.end, others))
        .map(len)
        .sum();
    let taken: u64 = pieces(pages, bridge, others)
        .flat_map(|(start, end)| {
            ram.ranges()
                .map(move |range| (range.start.max(start), range.end.min(end)))
        })
        .map(len)
        .sum();

    all.saturating_sub(taken)
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

        let bridge = Bridge::new(&pages, ranges_of(&words));
        for (start, end) in pieces(&pages, bridge, ranges_of(&words)) {
            sound &= reserve(start, end);
            pages.init_struct_pages(start, end);
        }
        // INVARIANT: Just done.
        sound.then_some(Self {
            pages,
            bridge,
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
        let Self {
            pages,
            bridge,
            others,
        } = self;

        if bridge.gap <= 1 {
            pages.free();
            others.free();
            return None;
        }
        // The set's own memory serves: what is no hole is added to it. Where the ranges are has to
        // be known before.
        let Some(mut bounds) =
            EarlyWords::new(2 * pieces(&pages, bridge, ranges_of(&others)).count())
        else {
            pr_warn!(
                "KHO: no memory to find free pages between preserved ones: they stay reserved\n"
            );
            return None;
        };
        for (slot, (start, end)) in
            bounds
                .chunks_exact_mut(2)
                .zip(pieces(&pages, bridge, ranges_of(&others)))
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
