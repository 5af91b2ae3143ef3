// SPDX-License-Identifier: GPL-2.0

//! Giving preserved pages back to whoever asks for them.

use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::Relaxed;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::PAGE_SHIFT;
use crate::abi::PAGE_SIZE;
use crate::kernel::mark::MarkedPage;
use crate::kernel::mark::Marks;
use crate::kernel::page::max_folio_order;
use crate::kernel::page::OwnedFolio;
use crate::kernel::taken::LivePages;
use crate::kernel::taken::ManagedPages;
use crate::kernel::taken::Split;

use super::discard::Discard;
use super::handed::Handed;

/// Restores the folio that was preserved at `phys`.
///
/// [`None`] if no folio begins there that is preserved and has not been restored. Any context.
///
/// C counterpart: `kho_restore_folio()`.
#[inline]
pub(crate) fn restore_folio(phys: PhysAddr) -> Option<OwnedFolio> {
    if !phys.is_aligned(PAGE_SHIFT) {
        return None;
    }
    let mut restorer = Restorer::new();
    let Some(order) = restorer.marks.find(phys.pfn()).map(|mark| mark.order()) else {
        refuse(phys.pfn());
        return None;
    };
    restorer.restore(phys.pfn(), order)
}

/// Restores many blocks. Neighbours are cheap.
///
/// The page allocator knows how many pages it has got when this is dropped.
pub(crate) struct Restorer {
    marks: Marks,
    managed: ManagedPages,
}

impl Restorer {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            marks: Marks::new(),
            managed: ManagedPages::new(),
        }
    }

    /// What looks for blocks.
    pub(super) fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    /// Claims the block that begins at `phys`; see [`Handed::claim`].
    pub(crate) fn claim(&mut self, phys: PhysAddr) -> Result<Handed> {
        Handed::claim_by(&mut self.marks, phys)
    }

    /// Claims a block that is one page. `EINVAL` if it is larger; see also [`Handed::claim`].
    pub(super) fn claim_page(&mut self, phys: PhysAddr) -> Result<Handed> {
        let page = self.claim(phys).inspect_err(|_| refuse(phys.pfn()))?;

        if page.bytes().len() != PAGE_SIZE {
            pr_err!("KHO: block at {} is larger than what is restored\n", phys);
            return Err(EINVAL);
        }
        Ok(page)
    }

    /// Frees a block that was claimed.
    pub(crate) fn free(&mut self, block: Handed) {
        block.free_among(&mut self.managed);
    }

    /// Frees blocks that nobody wants back.
    pub(crate) fn discard(&mut self) -> Discard<'_> {
        Discard::new(&mut self.marks, &mut self.managed)
    }

    /// Restores the block of `order` at `pfn` as a folio.
    ///
    /// [`None`] if there is no such block that is preserved and waiting, or it cannot be a folio; the log
    /// says so.
    #[inline]
    pub(crate) fn restore(&mut self, pfn: Pfn, order: u32) -> Option<OwnedFolio> {
        let folio = self.restore_together(pfn, order, order);

        if folio.is_none() {
            refuse(pfn);
        }
        folio
    }

    /// Restores blocks of `block_order` from `pfn` on as one folio of `order`.
    ///
    /// [`None`] if they are not all preserved and waiting, or cannot be one folio. Nothing has changed
    /// then, nor is it in the log.
    #[inline]
    pub(crate) fn restore_together(
        &mut self,
        pfn: Pfn,
        block_order: u32,
        order: u32,
    ) -> Option<OwnedFolio> {
        if order > max_folio_order() {
            return None;
        }
        let taken = self.marks.take(pfn, block_order, order)?;

        Some(taken.into_folio(&mut self.managed))
    }

    /// Restores what was preserved as a block of `block_order` at `pfn` as folios of `order`, which is
    /// no larger. Those that are not asked for are freed when the result is dropped.
    ///
    /// [`None`] if there is no such block that is preserved and waiting.
    pub(crate) fn restore_split(
        &mut self,
        pfn: Pfn,
        block_order: u32,
        order: u32,
    ) -> Option<Split<'_>> {
        match self.marks.take(pfn, block_order, block_order) {
            Some(taken) => Some(taken.split(order, &mut self.managed)),
            None => {
                refuse(pfn);
                None
            }
        }
    }
}

/// Refusals that are logged: a table of the previous kernel may have millions of wrong entries.
const MAX_REFUSALS: u32 = 20;

static REFUSALS: Atomic<u32> = Atomic::new(0);

/// Someone asks for what he cannot have: his bug, or the previous kernel's.
#[cold]
fn refuse(pfn: Pfn) {
    let before = REFUSALS.load(Relaxed);
    if before >= MAX_REFUSALS {
        return;
    }
    // Two at the same time may be counted as one.
    REFUSALS.store(before + 1, Relaxed);
    if before + 1 == MAX_REFUSALS {
        pr_err!("KHO: too many pages cannot be restored: the next ones are not logged\n");
    }
    pr_err!(
        "KHO: nothing to restore at page {}: not preserved, or restored before\n",
        pfn
    );
}

/// Restores pages of order 0 from `start` to before `end`, block by block.
///
/// The blocks are those that were preserved, whatever rule the previous kernel cut them by. All of
/// them are looked at before the first is taken: nothing changes on error, unless someone else
/// restores parts of the same range at the same time; then what was restored so far is freed.
///
/// `marks` is what looks for them. C counterpart: `kho_restore_pages()`.
pub(crate) fn restore_pages(
    marks: &mut Marks,
    start: Pfn,
    end: Pfn,
    mut receive: impl FnMut(LivePages) -> Result,
) -> Result {
    look_at_pages(marks, start, end)?;
    for block in blocks(marks, start, end) {
        let taken = block?.take().ok_or(ENOENT)?;
        receive(taken.into_pages())?;
    }
    Ok(())
}

/// Whether [`restore_pages`] of a range would find what it needs. `ENOENT` if not all of it is preserved,
/// `EINVAL` if the last block of it reaches beyond `end`.
pub(super) fn look_at_pages(marks: &mut Marks, start: Pfn, end: Pfn) -> Result {
    blocks(marks, start, end).try_for_each(|block| block.map(drop))
}

/// The blocks that a range consists of; an error ends it.
fn blocks(
    marks: &mut Marks,
    start: Pfn,
    end: Pfn,
) -> impl Iterator<Item = Result<MarkedPage>> + '_ {
    let mut next = start;

    core::iter::from_fn(move || {
        if next >= end {
            return None;
        }
        let here = next;
        // An error is the last item.
        next = end;
        let Some(block) = marks.find(here) else {
            refuse(here);
            return Some(Err(ENOENT));
        };
        let after = 1u64
            .checked_shl(block.order())
            .and_then(|pages| here.checked_add(pages));
        match after {
            Some(after) if after <= end => {
                next = after;
                Some(Ok(block))
            }
            _ => {
                pr_err!(
                    "KHO: block at page {} is larger than what is restored\n",
                    here
                );
                Some(Err(EINVAL))
            }
        }
    })
}
