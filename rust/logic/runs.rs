// SPDX-License-Identifier: GPL-2.0

//! Ranges of pages: how they are cut into blocks, and blocks put together to ranges.

use core::iter::FusedIterator;

use crate::abi::addr::Pfn;

/// Blocks of `1 << order` pages that follow each other in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First page of the first block.
    pub start: Pfn,
    /// Order of each block.
    pub order: u32,
    /// Number of blocks.
    pub count: u64,
}

impl Run {
    /// A block by itself.
    #[inline]
    pub const fn single(start: Pfn, order: u32) -> Self {
        Self {
            start,
            order,
            count: 1,
        }
    }

    /// Takes the block of `order` at `start` in, if it follows the last one and is of the same order.
    /// Tells whether it did.
    #[inline]
    pub fn extend(&mut self, start: Pfn, order: u32) -> bool {
        if self.order != order || self.end() != Some(start) {
            return false;
        }
        self.count += 1;
        true
    }

    /// Length in pages; [`None`] where 64 bits do not hold it.
    #[inline]
    pub const fn pages(&self) -> Option<u64> {
        match 1u64.checked_shl(self.order) {
            Some(block) => self.count.checked_mul(block),
            None => None,
        }
    }

    /// The page behind the last one; [`None`] where 64 bits do not hold it.
    #[inline]
    pub const fn end(&self) -> Option<Pfn> {
        match self.pages() {
            Some(pages) => self.start.checked_add(pages),
            None => None,
        }
    }
}

/// Iterator adaptor that puts neighbouring blocks of one order together.
///
/// It only looks back at the block before: blocks that come out of order give more runs.
#[derive(Clone, Debug)]
pub struct Coalesce<I> {
    /// First page and order of each block.
    blocks: I,
    /// The run that is being put together.
    run: Option<Run>,
}

impl<I: Iterator<Item = (Pfn, u32)>> Coalesce<I> {
    /// Puts `blocks`, each given by its first page and its order, together.
    pub fn new(blocks: I) -> Self {
        Self { blocks, run: None }
    }
}

impl<I: Iterator<Item = (Pfn, u32)>> Iterator for Coalesce<I> {
    type Item = Run;

    #[inline]
    fn next(&mut self) -> Option<Run> {
        for (start, order) in self.blocks.by_ref() {
            if self
                .run
                .as_mut()
                .is_some_and(|run| run.extend(start, order))
            {
                continue;
            }
            if let Some(run) = self.run.replace(Run::single(start, order)) {
                return Some(run);
            }
        }
        self.run.take()
    }
}

/// Iterator over the blocks into which a range of pages is cut to be preserved: each as large
/// as its alignment and the end of the range allow, and within one NUMA node.
///
/// Preserving, unpreserving and restoring a range must agree on its blocks, so that all of them
/// use this. It agrees with mainline's `__kho_preserve_pages_order()`.
#[derive(Clone, Debug)]
pub struct Blocks<F> {
    /// First page that is in no block yet.
    next: Pfn,
    /// The page behind the range.
    end: Pfn,
    /// NUMA node of a page.
    node_of: F,
}

impl<F: FnMut(Pfn) -> i32> Blocks<F> {
    /// Cuts the pages from `start` to before `end`, which may be empty. `node_of` tells a page's
    /// NUMA node; it is asked about pages of the range only.
    pub fn new(start: Pfn, end: Pfn, node_of: F) -> Self {
        Self {
            next: start,
            end,
            node_of,
        }
    }
}

impl<F: FnMut(Pfn) -> i32> Iterator for Blocks<F> {
    type Item = (Pfn, u32);

    #[inline]
    fn next(&mut self) -> Option<(Pfn, u32)> {
        let start = self.next;
        let left = self.end.checked_sub(start)?;
        // No logarithm: nothing is left.
        let mut order = left.checked_ilog2()?.min(start.get().trailing_zeros());

        if order > 0 {
            let node = (self.node_of)(start);

            // The block is within the range, so that neither sum wraps.
            while order > 0 && (self.node_of)(start.checked_add((1 << order) - 1)?) != node {
                order -= 1;
            }
        }
        self.next = start.checked_add(1 << order)?;
        Some((start, order))
    }
}

impl<F: FnMut(Pfn) -> i32> FusedIterator for Blocks<F> {}

#[cfg(test)]
#[path = "tests/runs.rs"]
mod tests;
