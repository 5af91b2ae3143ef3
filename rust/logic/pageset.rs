// SPDX-License-Identifier: GPL-2.0

//! A set of pages as a bitmap, one bit a page, in memory that the caller has.
//!
//! The radix tree sorts by order first, memory is sorted by address: the bitmap turns one into the
//! other in linear time, and notices blocks that overlap.

use crate::abi::addr::Pfn;

/// Bits in a word.
const BITS: u64 = u64::BITS as u64;

/// Words that a set of all pages below `end` needs; [`None`] where that is no size.
#[inline]
pub fn words_for(end: Pfn) -> Option<usize> {
    usize::try_from(end.get().div_ceil(BITS)).ok()
}

/// The bits of word number `word` that stand for pages from `start` to before `end`.
#[inline]
fn mask(word: u64, start: u64, end: u64) -> u64 {
    let base = word * BITS;
    let low = start.saturating_sub(base).min(BITS);
    let high = end.saturating_sub(base).min(BITS);

    ones(high) & !ones(low)
}

/// A word whose lowest `count` bits are set, of at most all.
#[inline]
fn ones(count: u64) -> u64 {
    u64::MAX.checked_shr((BITS - count) as u32).unwrap_or(0)
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// None of the pages was in the set before.
    Fresh,
    /// Some of them were; all of them are now.
    Overlap,
    /// They do not fit in the set, which has not changed.
    OutOfRange,
}

/// Adds the pages from `start` to before `end` to the set in `words`.
pub fn insert(words: &mut [u64], start: Pfn, end: Pfn) -> Inserted {
    let (start, end) = (start.get(), end.get());

    if start >= end {
        return Inserted::Fresh;
    }
    let first = start / BITS;
    let last = (end - 1) / BITS;
    let Some(words) = usize::try_from(first)
        .ok()
        .zip(usize::try_from(last).ok())
        .and_then(|(first, last)| words.get_mut(first..=last))
    else {
        return Inserted::OutOfRange;
    };
    let mut overlap = 0;

    for (word, index) in words.iter_mut().zip(first..) {
        let bits = mask(index, start, end);

        overlap |= *word & bits;
        *word |= bits;
    }
    if overlap == 0 {
        Inserted::Fresh
    } else {
        Inserted::Overlap
    }
}

/// Whether one of the pages from `start` to before `end` is in the set. What is beyond the set is
/// not in it.
pub fn intersects(words: &[u64], start: Pfn, end: Pfn) -> bool {
    let (start, end) = (start.get(), end.get());
    let first = start / BITS;
    let Ok(skip) = usize::try_from(first) else {
        return false;
    };

    words
        .iter()
        .zip(0u64..)
        .skip(skip)
        .take_while(|(_, index)| *index * BITS < end)
        .any(|(word, index)| word & mask(index, start, end) != 0)
}

/// Iterator over the maximal ranges of pages in a set, in ascending order.
#[derive(Clone, Debug)]
pub struct Ranges<'a> {
    words: &'a [u64],
    /// Where to go on, in pages.
    next: u64,
}

impl<'a> Ranges<'a> {
    /// Looks at the set in `words`.
    pub fn new(words: &'a [u64]) -> Self {
        Self { words, next: 0 }
    }

    /// The first page from `from` on whose bit differs from those of `flip`: 0 to find a page in
    /// the set, `u64::MAX` to find one that is not.
    #[inline]
    fn seek(&self, from: u64, flip: u64) -> Option<u64> {
        let first = usize::try_from(from / BITS).ok()?;
        let mut base = from - from % BITS;
        let mut skip = !ones(from % BITS);

        for word in self.words.get(first..)? {
            let bits = (*word ^ flip) & skip;

            if bits != 0 {
                return Some(base + u64::from(bits.trailing_zeros()));
            }
            base += BITS;
            skip = u64::MAX;
        }
        None
    }
}

impl Iterator for Ranges<'_> {
    /// First page, and the page behind the last one.
    type Item = (Pfn, Pfn);

    fn next(&mut self) -> Option<(Pfn, Pfn)> {
        let start = self.seek(self.next, 0)?;
        let end = self
            .seek(start, u64::MAX)
            .unwrap_or(self.words.len() as u64 * BITS);

        self.next = end;
        Some((Pfn::new(start), Pfn::new(end)))
    }
}

#[cfg(test)]
#[path = "tests/pageset.rs"]
mod tests;
