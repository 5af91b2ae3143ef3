// SPDX-License-Identifier: GPL-2.0

//! Freeing preserved pages that nobody wants back.

use crate::abi::addr::Pfn;
use crate::kernel::mark::MarkedPage;
use crate::kernel::mark::Marks;
use crate::kernel::page::max_order;
use crate::kernel::taken::ManagedPages;
use crate::kernel::tree_page;
use crate::kernel::tree_page::TreePages;
use crate::logic::key::Key;
use crate::logic::radix::Tree;
use crate::logic::runs::Run;

/// Pages from the end of a block to the next one, either way, that are far.
const FAR: u64 = 64;
/// What a block that is far from the one before adds to the disorder, of which one that is near takes one
/// away.
const JUMP: u32 = 8;
/// Disorder from which on it pays to sort. Pages in random order come to it soon. Those that are merely
/// scattered follow each other in small steps, up or down, and have no neighbours to be freed with.
const MAX_DISORDER: u32 = 512;

/// Frees blocks that are preserved and have not been restored. Neighbours are freed together, also if
/// they come in another order: then they are sorted first, as far as there is memory for that.
///
/// The page allocator knows how many pages it has got when the restorer is dropped that this came from.
pub(crate) struct Discard<'a> {
    marks: &'a mut Marks,
    managed: &'a mut ManagedPages,
    /// Blocks of one order that follow each other and are still to be freed: none without a first.
    first: Option<MarkedPage>,
    run: Run,
    /// The page behind the last.
    end: Pfn,
    missing: u64,
    /// How far the order in which blocks come is from that of memory.
    disorder: u32,
    /// Blocks that are freed at the end, once they are sorted.
    later: Option<Tree<TreePages>>,
}

impl<'a> Discard<'a> {
    #[inline]
    pub(super) fn new(marks: &'a mut Marks, managed: &'a mut ManagedPages) -> Self {
        Self {
            marks,
            managed,
            first: None,
            run: Run::single(Pfn::new(0), 0),
            end: Pfn::new(u64::MAX),
            missing: 0,
            disorder: 0,
            later: None,
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
        if pfn == self.end && order == self.run.order {
            self.run.count += 1;
        } else {
            if self.is_disorder(pfn) && self.put_off(pfn, order) {
                return Some(after);
            }
            self.flush();
            self.first = Some(mark);
            self.run = Run::single(pfn, order);
        }
        self.end = after;
        Some(after)
    }

    /// Whether blocks come in such an order that it pays to sort the one at `pfn`.
    #[inline]
    fn is_disorder(&mut self, pfn: Pfn) -> bool {
        self.disorder = match pfn.get().abs_diff(self.end.get()) > FAR {
            true => self.disorder.saturating_add(JUMP),
            false => self.disorder.saturating_sub(1),
        };
        self.disorder >= MAX_DISORDER || self.later.is_some()
    }

    /// Leaves a block for the end. False if it is to be freed now.
    fn put_off(&mut self, pfn: Pfn, order: u32) -> bool {
        if self.later.is_none() {
            self.disorder = 0;
            self.later = tree_page::new_tree().ok();
        }
        let (Some(tree), Some(key)) = (&mut self.later, <Key>::new(pfn, order)) else {
            return false;
        };
        match tree.insert(key.raw()) {
            Ok(is_new) => {
                // What is named twice is there once.
                self.missing += u64::from(!is_new);
                true
            }
            Err(_) => false,
        }
    }

    /// Frees what is left. Returns how many blocks somebody else has taken meanwhile, or came twice.
    pub(crate) fn finish(mut self) -> u64 {
        self.flush();
        if let Some(tree) = self.later.take() {
            for run in tree.runs() {
                self.free_run(run);
            }
            tree.destroy();
        }
        self.missing
    }

    #[inline]
    fn flush(&mut self) {
        let Some(first) = self.first.take() else {
            return;
        };
        // Scattered blocks are runs of one.
        if self.run.count != 1 {
            return self.free_run(self.run);
        }
        match first.take() {
            Some(taken) => taken.free(self.managed),
            None => self.missing += 1,
        }
    }

    fn free_run(&mut self, run: Run) {
        let Some(end) = run.end() else {
            return;
        };
        let (block_order, mut next) = (run.order, run.start);

        while next < end {
            // As much at a time as the page allocator takes.
            let left = end.get() - next.get();
            let order = next
                .get()
                .trailing_zeros()
                .min(left.ilog2())
                .min(max_order());
            let order = order.max(block_order);

            match self.marks.take(next, block_order, order) {
                Some(taken) => taken.free(self.managed),
                None => self.free_one_by_one(next, block_order, order),
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
                Some(taken) => taken.free(self.managed),
                None => self.missing += 1,
            }
        }
    }
}
