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

/// The bits of those of the 64 pages from `base` on, a multiple of 64, that are from `start` to before
/// `end`.
#[inline]
pub fn mask_of(base: Pfn, start: Pfn, end: Pfn) -> u64 {
    mask(base.get() / BITS, start.get(), end.get())
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

/// Adds those of the 64 pages from `base` on, a multiple of 64, whose bits are set in `bits`, if
/// they fit and none of them is in the set.
#[inline]
pub fn insert_new_word(words: &mut [u64], base: Pfn, bits: u64) -> bool {
    let Some(word) = usize::try_from(base.get() / BITS)
        .ok()
        .and_then(|index| words.get_mut(index))
    else {
        return false;
    };
    let is_new = *word & bits == 0;

    if is_new {
        *word |= bits;
    }
    is_new
}

/// Whether all of the 64 pages from `base` on, a multiple of 64, whose bits are set in `bits` are
/// in the set.
#[inline]
pub fn contains_word(words: &[u64], base: Pfn, bits: u64) -> bool {
    usize::try_from(base.get() / BITS)
        .ok()
        .and_then(|index| words.get(index))
        .is_some_and(|word| bits & !word == 0)
}

/// Whether all pages from `start` to before `end` are in the set.
pub fn contains(words: &[u64], start: Pfn, end: Pfn) -> bool {
    let (start, end) = (start.get(), end.get());

    if start >= end {
        return true;
    }
    let first = start / BITS;
    let words = usize::try_from(first)
        .ok()
        .zip(usize::try_from((end - 1) / BITS).ok())
        .and_then(|(first, last)| words.get(first..=last));

    words.is_some_and(|words| {
        words
            .iter()
            .zip(first..)
            .all(|(word, index)| mask(index, start, end) & !word == 0)
    })
}

/// Whether one of the pages from `start` to before `end` is in the set. What is beyond the set is
/// not in it.
pub fn intersects(words: &[u64], start: Pfn, end: Pfn) -> bool {
    let (start, end) = (start.get(), end.get());
    let first = start / BITS;
    let Some(words) = usize::try_from(first)
        .ok()
        .and_then(|first| words.get(first..))
    else {
        return false;
    };

    words
        .iter()
        .zip(first..)
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

/// Adds what is between `ranges`, which are in ascending order, before the first, and from the last
/// to `end`.
pub fn insert_gaps(words: &mut [u64], ranges: impl Iterator<Item = (Pfn, Pfn)>, end: Pfn) {
    let mut next = Pfn::new(0);

    for (start, stop) in ranges {
        insert(words, next, start);
        next = next.max(stop);
    }
    insert(words, next, end);
}

/// The first maximal range of pages from `from` on that are not in the set, as first page and the
/// page behind the last one. What is beyond the set does not count.
pub fn next_gap(words: &[u64], from: u64) -> Option<(u64, u64)> {
    let ranges = Ranges::new(words);
    let start = ranges.seek(from, u64::MAX)?;
    let end = ranges.seek(start, 0).unwrap_or(words.len() as u64 * BITS);

    Some((start, end))
}

/// Iterator over the ranges of a set in ascending order, where gaps of less than `gap` pages count
/// as part of a range.
///
/// With many small gaps this takes a few instructions for 64 pages, however many ranges there are.
#[derive(Clone, Debug)]
pub struct Bridged<'a> {
    ranges: Ranges<'a>,
    gap: u64,
}

impl<'a> Bridged<'a> {
    /// Looks at the set in `words`. A `gap` of 64 or less bridges nothing.
    pub fn new(words: &'a [u64], gap: u64) -> Self {
        Self {
            ranges: Ranges::new(words),
            gap,
        }
    }

    /// The end of the range that begins at `start`, which is in the set.
    fn end_of(&self, start: u64) -> u64 {
        let first = start / BITS;
        let rest = usize::try_from(first)
            .ok()
            .and_then(|first| self.ranges.words.get(first..))
            .unwrap_or_default();
        let mut end = start + 1;

        for (word, index) in rest.iter().zip(first..) {
            let base = index * BITS;

            if *word == 0 {
                // Cheaper than to go on to a page that may be far away.
                if base + BITS >= end + self.gap {
                    break;
                }
                continue;
            }
            // In the first word, pages before `start` may be set, but none in between.
            if base + u64::from(word.trailing_zeros()) >= end + self.gap {
                break;
            }
            end = base + BITS - u64::from(word.leading_zeros());
        }
        end
    }
}

impl Iterator for Bridged<'_> {
    /// First page, and the page behind the last one.
    type Item = (Pfn, Pfn);

    fn next(&mut self) -> Option<(Pfn, Pfn)> {
        if self.gap <= BITS {
            return self.ranges.next();
        }
        let start = self.ranges.seek(self.ranges.next, 0)?;
        let end = self.end_of(start);

        self.ranges.next = end;
        Some((Pfn::new(start), Pfn::new(end)))
    }
}

/// The ranges of a set in ascending order, where gaps of less than `gap` pages count as part of a
/// range as in [`Bridged`], but not from word number `open` on.
pub fn bridged_below(
    words: &[u64],
    gap: u64,
    open: usize,
) -> impl Iterator<Item = (Pfn, Pfn)> + '_ {
    let open = open.min(words.len());
    let rest = Ranges {
        words,
        next: open as u64 * BITS,
    };

    Bridged::new(words.get(..open).unwrap_or_default(), gap).chain(rest)
}

/// The number of the word where the last `count` ranges of a set begin; that word may have a few
/// more.
pub fn last_ranges(words: &[u64], count: usize) -> usize {
    let before = Ranges::new(words).count().saturating_sub(count);

    Ranges::new(words)
        .nth(before)
        .and_then(|(start, _)| usize::try_from(start.get() / BITS).ok())
        .unwrap_or(words.len())
}

/// The smallest gap that has to be bridged for [`Bridged`] to give at most `most` ranges, at least
/// `least` and at most `limit`; 1 where nothing has to be.
pub fn gap_for(words: &[u64], most: usize, least: u64, limit: u64) -> u64 {
    let fits = |gap| Bridged::new(words, gap).nth(most).is_none();
    let mut gap = least;

    if fits(1) {
        return 1;
    }
    while gap < limit && !fits(gap) {
        gap = gap.saturating_mul(2);
    }
    gap.min(limit)
}

#[cfg(test)]
#[path = "tests/pageset.rs"]
mod tests;
