// SPDX-License-Identifier: GPL-2.0

//! Which gibibytes of memory hold anything preserved.
//!
//! At boot the preserved memory comes sorted by order, not by address, so that gaps in it cannot
//! be told on the fly. A bitmap with one bit per GiB holds what is needed: two pages of it cover
//! 64 TiB. C counterpart: `kho_extend_scratch()`.

use crate::abi::addr::PhysAddr;
use crate::abi::PAGE_SHIFT;

/// Binary logarithm of the size of a block in bytes.
///
/// Large enough for a small bitmap, small enough for a machine with hundreds of GiB to have
/// free blocks.
pub const BLOCK_SHIFT: u32 = 30;

/// Words of a set of pages, as in [`pageset`](super::pageset), that a block's pages take.
pub const BLOCK_WORDS: usize = 1 << (BLOCK_SHIFT - PAGE_SHIFT - 6);

/// Number of blocks in memory that ends at `limit`; the last one may be partial.
const fn blocks_below(limit: PhysAddr) -> u64 {
    limit.get().div_ceil(1 << BLOCK_SHIFT)
}

/// Number of words for the bitmap of memory that ends at `limit`.
pub const fn words_for(limit: PhysAddr) -> usize {
    // At most `1 << 28` words.
    blocks_below(limit).div_ceil(64) as usize
}

/// The blocks below a limit, each busy or free.
///
/// # Invariants
///
/// `words` has at least `words_for(limit)` words.
#[derive(Debug)]
pub struct BusyBlocks<'a> {
    /// One bit per block.
    words: &'a mut [u64],
    /// End of memory.
    limit: PhysAddr,
}

impl<'a> BusyBlocks<'a> {
    /// All blocks below `limit` are free. [`None`] where `words` has less than
    /// [`words_for`]`(limit)` words; what it contains does not matter.
    pub fn new(words: &'a mut [u64], limit: PhysAddr) -> Option<Self> {
        if words.len() < words_for(limit) {
            return None;
        }
        words.fill(0);
        // INVARIANT: just checked.
        Some(Self { words, limit })
    }

    /// Marks the blocks that memory from `start` to before `end` touches. What lies at or above
    /// the limit is ignored, and so is an empty or inverted range.
    pub fn mark(&mut self, start: PhysAddr, end: PhysAddr) {
        let end = end.min(self.limit);

        if start >= end {
            return;
        }
        let first = start.get() >> BLOCK_SHIFT;
        let last = (end.get() - 1) >> BLOCK_SHIFT;

        for word in first / 64..=last / 64 {
            let mut bits = u64::MAX;

            if word == first / 64 {
                bits &= u64::MAX << (first % 64);
            }
            if word == last / 64 {
                bits &= u64::MAX >> (63 - last % 64);
            }
            // Within `words_for(limit)`, as `last` is a block below the limit.
            if let Some(slot) = self.words.get_mut(word as usize) {
                *slot |= bits;
            }
        }
    }

    /// Marks a block. One at or above the limit is ignored.
    pub fn mark_block(&mut self, block: u64) {
        if block >= blocks_below(self.limit) {
            return;
        }
        if let Some(slot) = self.words.get_mut((block / 64) as usize) {
            *slot |= 1 << (block % 64);
        }
    }

    /// The first block at or above `from` whose bit is `busy`, or the number of blocks.
    fn find(&self, from: u64, busy: bool) -> u64 {
        let blocks = blocks_below(self.limit);
        let mut block = from;

        while block < blocks {
            let word = self.words.get((block / 64) as usize).copied();
            let word = word.unwrap_or(0);
            let sought = if busy { word } else { !word } >> (block % 64);

            if sought != 0 {
                return (block + u64::from(sought.trailing_zeros())).min(blocks);
            }
            block = (block / 64 + 1) * 64;
        }
        blocks
    }

    /// The maximal ranges of free blocks, as first address and the address behind the last, in
    /// ascending order. All of them begin at a block; the last one ends at the limit.
    pub fn gaps(&self) -> impl Iterator<Item = (PhysAddr, PhysAddr)> + '_ {
        let blocks = blocks_below(self.limit);
        let mut next = 0;

        core::iter::from_fn(move || {
            let first = self.find(next, false);

            if first == blocks {
                return None;
            }
            next = self.find(first, true);
            // A block below the limit starts below `1 << 64`; only the end of the last may not.
            let end = match next.checked_mul(1 << BLOCK_SHIFT) {
                Some(end) => PhysAddr::new(end).min(self.limit),
                None => self.limit,
            };

            Some((PhysAddr::new(first << BLOCK_SHIFT), end))
        })
    }
}

#[cfg(test)]
#[path = "tests/busy.rs"]
mod tests;
