// SPDX-License-Identifier: GPL-2.0

//! Freeing preserved pages that nobody wants back.

use crate::abi::addr::Pfn;
use crate::kernel::mark::MarkedPage;
use crate::kernel::mark::Marks;
use crate::kernel::page::max_order;
use crate::kernel::taken::ManagedPages;
use crate::logic::runs::Run;

/// Frees blocks that are preserved and have not been restored. Neighbours are freed together.
///
/// The page allocator knows how many pages it has got when this is finished.
pub(crate) struct Discard {
    marks: Marks,
    managed: ManagedPages,
    waiting: Option<Waiting>,
    missing: u64,
}

/// Blocks of one order that follow each other and are still to be freed.
struct Waiting {
    /// The mark of the first.
    mark: MarkedPage,
    run: Run,
    /// The page behind the last.
    end: Pfn,
}

impl Discard {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            marks: Marks::new(),
            managed: ManagedPages::new(),
            waiting: None,
            missing: 0,
        }
    }

    /// Frees the block that begins at `pfn`, now or later, and returns the page behind it.
    ///
    /// [`None`] if there is no such block, or it reaches beyond `end`.
    #[inline]
    pub(crate) fn block(&mut self, pfn: Pfn, end: Pfn) -> Option<Pfn> {
        let mark = self.marks.find(pfn)?;
        let order = mark.order();
        let after = pfn.checked_add(1u64.checked_shl(order)?)?;

        if after > end {
            return None;
        }
        if let Some(waiting) = &mut self.waiting {
            if waiting.end == pfn && waiting.run.order == order {
                waiting.run.count += 1;
                waiting.end = after;
                return Some(after);
            }
        }
        let fresh = Waiting {
            mark,
            run: Run::single(pfn, order),
            end: after,
        };
        if let Some(waiting) = self.waiting.replace(fresh) {
            self.free(&waiting);
        }
        Some(after)
    }

    /// Frees what is left. Returns how many blocks somebody else has taken meanwhile.
    pub(crate) fn finish(mut self) -> u64 {
        if let Some(waiting) = self.waiting.take() {
            self.free(&waiting);
        }
        self.missing
    }

    #[inline]
    fn free(&mut self, waiting: &Waiting) {
        // Scattered blocks are runs of one.
        if waiting.run.count != 1 {
            return self.free_many(&waiting.run);
        }
        match waiting.mark.take() {
            Some(taken) => taken.free(&mut self.managed),
            None => self.missing += 1,
        }
    }

    fn free_many(&mut self, run: &Run) {
        let Some(end) = run.end() else {
            return;
        };
        let mut next = run.start;

        while next < end {
            // As much at a time as the page allocator takes.
            let left = end.get() - next.get();
            let order = next
                .get()
                .trailing_zeros()
                .min(left.ilog2())
                .min(max_order());
            let order = order.max(run.order);

            match self.marks.take(next, run.order, order) {
                Some(taken) => taken.free(&mut self.managed),
                None => self.free_one_by_one(next, run.order, order),
            }
            match next.checked_add(1 << order) {
                Some(after) => next = after,
                None => break,
            }
        }
    }

    /// Frees those of the blocks from `pfn` on, `1 << order` pages of them, that are there.
    #[cold]
    fn free_one_by_one(&mut self, pfn: Pfn, block_order: u32, order: u32) {
        for index in 0..1u64 << (order - block_order) {
            let block = Pfn::new(pfn.get() | index << block_order);

            match self.marks.take(block, block_order, block_order) {
                Some(taken) => taken.free(&mut self.managed),
                None => self.missing += 1,
            }
        }
    }
}
