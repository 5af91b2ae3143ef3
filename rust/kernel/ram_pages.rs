// SPDX-License-Identifier: GPL-2.0

//! A set of pages of RAM in early boot, and what their struct pages are told.

use crate::abi::addr::Pfn;
use crate::logic::except::Range;
use crate::logic::pageset;
use crate::logic::pageset::Inserted;

use super::bindings;
use super::early::EarlyWords;
use super::early::RamMap;
use super::early::RamRange;
use super::mark::MarkedPage;

/// A set of pages, one bit for each page below the end of RAM.
///
/// # Invariants
///
/// The pages in the set are RAM.
pub(crate) struct RamPages {
    words: EarlyWords,
    ram: RamMap,
    /// The range of RAM that was asked for last.
    recent: RamRange,
}

impl RamPages {
    /// An empty set of pages below `end`.
    #[inline(always)]
    pub(crate) fn new(end: Pfn) -> Option<Self> {
        let nothing = Pfn::new(0);
        // INVARIANT: There are none.
        Some(Self {
            words: EarlyWords::new(pageset::words_for(end)?)?,
            ram: RamMap::new()?,
            recent: RamRange {
                start: nothing,
                end: nothing,
                node: 0,
            },
        })
    }

    /// Gives the memory of the set back.
    #[inline(always)]
    pub(crate) fn free(self) {
        self.words.free();
        self.ram.free();
    }

    /// Adds all pages, RAM or not, but those of RAM in `ranges`, which are in ascending order.
    /// Returns the bitmap, which stays for as long as the kernel runs.
    #[inline(always)]
    pub(super) fn into_all_but(self, ranges: &[Range]) -> &'static mut [u64] {
        let Self { mut words, ram, .. } = self;
        let end = Pfn::new(words.len() as u64 * u64::from(u64::BITS));

        pageset::insert_gaps(
            &mut words,
            ranges
                .iter()
                .map(|[start, end]| (Pfn::new(*start), Pfn::new(*end))),
            end,
        );
        pageset::insert_gaps(
            &mut words,
            ram.ranges().map(|range| (range.start, range.end)),
            end,
        );
        ram.free();
        words.leak()
    }

    /// The set as a bitmap.
    #[inline]
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// All RAM.
    pub(crate) fn ram(&self) -> &RamMap {
        &self.ram
    }

    /// Whether the pages from `start` to before `end` are RAM.
    #[inline]
    fn is_ram(&mut self, start: Pfn, end: Pfn) -> bool {
        if start >= self.recent.start && end <= self.recent.end {
            return true;
        }
        if let Some(range) = self.ram.find(start) {
            self.recent = range;
        }
        self.ram.contains(start, end)
    }

    /// Adds the pages from `start` to before `end`; [`None`] if they are not all RAM.
    pub(crate) fn insert(&mut self, start: Pfn, end: Pfn) -> Option<Inserted> {
        if !self.is_ram(start, end) {
            return None;
        }
        // INVARIANT: Just checked.
        Some(pageset::insert(&mut self.words, start, end))
    }

    /// Adds those of the 64 pages from `base` on, a multiple of 64, whose bits are set in `bits`, if
    /// all of the 64 are RAM and none of those is in the set.
    #[inline]
    pub(crate) fn insert_new_word(&mut self, base: Pfn, bits: u64) -> bool {
        // INVARIANT: Only if they are RAM.
        base.checked_add(u64::from(u64::BITS))
            .is_some_and(|end| self.is_ram(base, end))
            && pageset::insert_new_word(&mut self.words, base, bits)
    }

    /// Initialises the struct pages of all RAM from `start` to before `end`, if that was put off.
    #[inline(always)]
    pub(crate) fn init_struct_pages(&self, start: Pfn, end: Pfn) {
        for range in self.ram.ranges() {
            let (first, stop) = (range.start.max(start).get(), range.end.min(end).get());

            if first < stop {
                // SAFETY: The frames are RAM of this node, so that their struct pages are mapped.
                unsafe {
                    bindings::lu_init_struct_pages(first as usize, stop as usize, range.node)
                };
            }
        }
    }

    /// Leaves the mark of a preserved block of one page on those of the 64 pages from `base` on, a
    /// multiple of 64, whose bits are set in `bits`. Does nothing if they are not all in the set.
    ///
    /// Their struct pages have been initialised.
    #[inline]
    pub(crate) fn mark_word(&self, base: Pfn, bits: u64) {
        if !pageset::contains_word(&self.words, base, bits) {
            return;
        }
        let mut rest = bits;

        while rest != 0 {
            let pfn = Pfn::new(base.get() | u64::from(rest.trailing_zeros()));

            // SAFETY: By the type invariant there is RAM, hence a struct page; in early boot nobody
            // else looks at it.
            unsafe { MarkedPage::leave(pfn, 0) };
            rest &= rest - 1;
        }
    }

    /// Leaves the mark of a preserved block of `1 << order` pages at `pfn`. Does nothing if they are
    /// not all in the set.
    ///
    /// Their struct pages have been initialised.
    pub(crate) fn mark_block(&self, pfn: Pfn, order: u32) {
        let end = 1u64
            .checked_shl(order)
            .and_then(|pages| pfn.checked_add(pages));

        if end.is_some_and(|end| pageset::contains(&self.words, pfn, end)) {
            // SAFETY: As above.
            unsafe { MarkedPage::leave(pfn, order) };
        }
    }
}
