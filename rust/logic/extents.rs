// SPDX-License-Identifier: GPL-2.0

//! Files that are described by extents: pages that follow each other in memory and in the file.
//!
//! Outgoing, [`Cut`] says as which blocks the pages of an extent are preserved. Incoming,
//! [`Extents`] validates the description, and [`Pieces`] finds out how the pages were cut and which
//! folios they can become. The cut of the other kernel need not be that of this one.

use core::iter::FusedIterator;

use crate::abi::addr::Pfn;
use crate::abi::memfd::ExtentSer;
use crate::abi::memfd::FOLIO_FLAGS;
use crate::abi::memfd::PFN_BITS;

use super::memfd::File;
use super::memfd::MemfdError;
use super::memfd::Piece;
use super::runs::Run;

/// Iterator over the runs of blocks as which a range of pages is preserved: blocks of one large
/// order where they fit, and single pages around them.
///
/// Only two orders, because every order has its own part of the tree of preserved memory, in pages
/// of its own. No block lies on two NUMA nodes.
#[derive(Clone, Debug)]
pub struct Cut<F> {
    /// First page that is in no run yet.
    next: Pfn,
    /// The page behind the range.
    end: Pfn,
    /// The large order.
    order: u32,
    /// NUMA node of a page.
    node_of: F,
}

impl<F: FnMut(Pfn) -> i32> Cut<F> {
    /// Cuts `pages` pages from `start` on into blocks of `order`, which is below 64, and single pages.
    /// `node_of` tells a page's NUMA node; it is asked about pages of the range only. A range beyond
    /// 64 bits is empty.
    pub fn new(start: Pfn, pages: u64, order: u32, node_of: F) -> Self {
        Self {
            next: start,
            end: start.checked_add(pages).unwrap_or(start),
            order,
            node_of,
        }
    }

    /// The page behind a large block at `start`, if there can be one.
    #[inline]
    fn large(&mut self, start: Pfn) -> Option<Pfn> {
        if !start.is_aligned(self.order) {
            return None;
        }
        let end = start.checked_add(1 << self.order)?;
        if end > self.end {
            return None;
        }
        // In the block, so that it is not below the start.
        let last = Pfn::new(end.get() - 1);

        (self.order == 0 || (self.node_of)(start) == (self.node_of)(last)).then_some(end)
    }

    /// How many single pages come next: up to where there may be a large block.
    #[inline]
    fn small(&self) -> u64 {
        let left = self.end.get() - self.next.get();
        let offset = self.next.get() & ((1 << self.order) - 1);

        left.min((1 << self.order) - offset)
    }
}

impl<F: FnMut(Pfn) -> i32> Iterator for Cut<F> {
    type Item = Run;

    #[inline]
    fn next(&mut self) -> Option<Run> {
        let start = self.next;

        if start >= self.end {
            return None;
        }
        let mut count = 0;
        while let Some(after) = self.large(self.next) {
            self.next = after;
            count += 1;
        }
        if count > 0 {
            return Some(Run {
                start,
                order: self.order,
                count,
            });
        }
        let count = self.small();
        // Not beyond the end of the range.
        self.next = Pfn::new(start.get() + count);
        Some(Run {
            start,
            order: 0,
            count,
        })
    }
}

impl<F: FnMut(Pfn) -> i32> FusedIterator for Cut<F> {}

/// An extent whose place in the file was found to be sound. Whether it is preserved memory is found
/// out by [`Extent::pieces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Position in the array.
    pub at: u64,
    /// First page.
    pub pfn: Pfn,
    /// Offset in the file, in pages.
    pub index: u64,
    /// Length in pages, not zero.
    pub pages: u64,
    /// `FOLIO_*`.
    pub flags: u16,
}

/// How many pages some entries name in all, sound or not.
pub fn named_pages(entries: &[ExtentSer]) -> u64 {
    entries
        .iter()
        .fold(0, |sum, entry| sum.saturating_add(u64::from(entry.count)))
}

/// Iterator over the extents of a file that validates them. After an error it ends.
pub struct Extents<'a> {
    entries: &'a [ExtentSer],
    /// Length of the file in pages.
    pages: u64,
    at: u64,
    /// The page of the file behind the last extent.
    next_index: u64,
}

impl<const SHIFT: u32> File<SHIFT> {
    /// Validates the extents one by one. `entries` has all of them.
    pub fn extents<'a>(&self, entries: &'a [ExtentSer]) -> Extents<'a> {
        Extents {
            entries,
            pages: self.pages(),
            at: 0,
            next_index: 0,
        }
    }
}

impl Extents<'_> {
    fn check(&mut self, at: u64, entry: &ExtentSer) -> Result<Extent, MemfdError> {
        let (pfn, flags) = (entry.pfn(), entry.flags());
        let (index, pages) = (u64::from(entry.index), u64::from(entry.count));

        if flags & !FOLIO_FLAGS != 0 {
            return Err(MemfdError::FolioFlags { at, flags });
        }
        if index < self.next_index {
            return Err(MemfdError::NotAscending { at, index });
        }
        // Both have 32 bits: the sum does not wrap.
        if index + pages > self.pages {
            return Err(MemfdError::BehindEnd { at, index });
        }
        let end = pfn.get() + pages;
        if pages == 0 || end > 1 << PFN_BITS {
            return Err(MemfdError::BadExtent { at, pfn, pages });
        }
        self.next_index = index + pages;
        Ok(Extent {
            at,
            pfn,
            index,
            pages,
            flags,
        })
    }
}

impl Iterator for Extents<'_> {
    type Item = Result<Extent, MemfdError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (entry, rest) = self.entries.split_first()?;
        let at = self.at;
        let extent = self.check(at, entry);

        self.entries = if extent.is_ok() { rest } else { &[] };
        self.at += 1;
        Some(extent)
    }
}

impl Extent {
    /// Goes through the pages.
    ///
    /// `order_of` tells the order of the preserved block that begins at a page, or [`None`]
    /// where none does; it must say so for pages that do not exist, too. Folios are of
    /// `max_order` at most.
    pub fn pieces<F>(&self, max_order: u32, order_of: F) -> Pieces<F>
    where
        F: FnMut(Pfn) -> Option<u32>,
    {
        Pieces {
            at: self.at,
            next: self.pfn,
            index: self.index,
            left: self.pages,
            max_order,
            order_of,
        }
    }
}

/// Iterator over the [`Piece`]s that an extent becomes. After an error it ends.
pub struct Pieces<F> {
    /// Position of the extent in the array.
    at: u64,
    /// The next page, where it is in the file, and how many there are.
    next: Pfn,
    index: u64,
    left: u64,
    max_order: u32,
    order_of: F,
}

impl<F: FnMut(Pfn) -> Option<u32>> Pieces<F> {
    #[inline]
    fn step(&mut self) -> Result<Piece, MemfdError> {
        let (at, pfn, index) = (self.at, self.next, self.index);
        let block_order = (self.order_of)(pfn).ok_or(MemfdError::NotPreserved { at, pfn })?;
        let misaligned = MemfdError::FolioMisaligned {
            at,
            pfn,
            index,
            order: block_order,
        };

        // Not zero: there is something left.
        if block_order > self.left.ilog2() || !pfn.is_aligned(block_order) {
            return Err(misaligned);
        }
        // The page cache wants both aligned.
        let fit = (pfn.get() | index).trailing_zeros().min(self.max_order);
        let order = if fit <= block_order {
            fit
        } else {
            block_order + self.followers(block_order, fit)
        };

        Ok(Piece {
            pfn,
            index,
            block_order,
            order,
        })
    }

    /// Binary logarithm of how many blocks of `block_order`, counted from the next one, can become one
    /// folio of at most `fit`.
    #[inline]
    fn followers(&mut self, block_order: u32, fit: u32) -> u32 {
        let most = 1 << (fit.min(self.left.ilog2()) - block_order);
        let mut count = 1u64;

        while count < most {
            // Within the extent.
            let next = Pfn::new(self.next.get() + (count << block_order));
            if (self.order_of)(next) != Some(block_order) {
                break;
            }
            count += 1;
        }
        count.ilog2()
    }
}

impl<F: FnMut(Pfn) -> Option<u32>> Iterator for Pieces<F> {
    type Item = Result<Piece, MemfdError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let step = self.step();

        match &step {
            Ok(step) => {
                let pages = step.pages();
                // Not more than there are, by the checks of `step()`.
                self.next = Pfn::new(self.next.get() + pages);
                self.index += pages;
                self.left -= pages;
            }
            Err(_) => self.left = 0,
        }
        Some(step)
    }
}

#[cfg(test)]
#[path = "tests/extents.rs"]
mod tests;
