// SPDX-License-Identifier: GPL-2.0

//! A memfd that is described by extents: `memfd-extents-v1`.

use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::memfd as abi;
use crate::abi::memfd::ExtentSer;
use crate::abi::memfd::FOLIO_UPTODATE;
use crate::kernel::mark::Marks;
use crate::kernel::memfd::Chunk;
use crate::kernel::page;
use crate::kernel::shmem;
use crate::kho::Batch;
use crate::kho::Discard;
use crate::kho::Restorer;
use crate::logic::extents::named_pages;
use crate::logic::extents::Cut;
use crate::logic::extents::Extent;
use crate::logic::memfd::File as Checked;
use crate::logic::runs::Run;

use super::format::writes_extents;
use super::format::Format;
use super::incoming::refused;
use super::incoming::Progress;
use super::incoming::Target;

/// The order of large blocks: what comes back as one folio if it can, or else what the page
/// allocator takes back at once.
fn large_order() -> u32 {
    match shmem::max_order() {
        0 => page::max_order(),
        order => order.min(page::max_order()),
    }
}

/// Single pages among some extents, which scattered memory is made of. That they are, makes much
/// simpler code.
#[inline]
fn single_pages(chunk: Chunk<'_, ExtentSer>) -> impl Iterator<Item = Run> + Clone + '_ {
    let single = |extent: &&ExtentSer| extent.count == 1;

    chunk
        .entries()
        .iter()
        .filter(single)
        .map(|extent| Run::single(extent.pfn(), 0))
}

/// The blocks as which the pages of other extents are preserved. The same for the same extents.
#[inline]
fn blocks(chunk: Chunk<'_, ExtentSer>) -> impl Iterator<Item = Run> + Clone + '_ {
    let several = |extent: &&ExtentSer| extent.count != 1;
    let order = large_order();

    chunk
        .entries()
        .iter()
        .filter(several)
        .flat_map(move |extent| Cut::new(extent.pfn(), extent.count.into(), order, page::node_of))
}

impl Format for ExtentSer {
    const COMPATIBLE: &'static CStr = abi::COMPATIBLE_EXTENTS;

    fn is_written() -> bool {
        writes_extents()
    }

    fn preserve(chunk: Chunk<'_, Self>, batch: &mut Batch) -> Result {
        batch.preserve_runs(single_pages(chunk))?;
        batch
            .preserve_runs(blocks(chunk))
            .inspect_err(|_| batch.unpreserve_runs(single_pages(chunk)))
    }

    fn unpreserve(chunk: Chunk<'_, Self>, batch: &mut Batch) {
        batch.unpreserve_runs(blocks(chunk));
        batch.unpreserve_runs(single_pages(chunk));
    }

    fn fill(entries: &[Self], checked: &Checked, target: &mut Target<'_>) -> Result {
        for extent in checked.extents(entries) {
            fill_extent(&extent.map_err(refused)?, target)?;
        }
        Ok(())
    }

    fn check_empty(_: &Checked) -> Result {
        // It is all hole.
        Ok(())
    }

    /// Validates every one of them.
    fn expected(entries: &[Self], checked: &Checked) -> Result<usize> {
        let mut pages = 0;

        for extent in checked.extents(entries) {
            // Extents do not overlap, so that the sum is not more than the pages of the file.
            pages += extent.map_err(refused)?.pages as usize;
        }
        Ok(pages)
    }

    fn named_pages(entries: &[Self]) -> u64 {
        named_pages(entries)
    }

    fn discard(entries: &[Self], taken: Progress, restorer: &mut Restorer) -> u64 {
        let mut discard = restorer.discard();
        let mut missing = 0;
        let mut skip = taken.pages;

        for entry in entries.iter().skip(taken.entries) {
            missing += u64::from(!discard_extent(entry, skip, &mut discard));
            skip = 0;
        }
        missing + discard.finish()
    }
}

fn fill_extent(extent: &Extent, target: &mut Target<'_>) -> Result {
    let mut marks = Marks::new();
    let uptodate = extent.flags & FOLIO_UPTODATE != 0;
    let pieces = extent.pieces(target.max_order(), |pfn| Some(marks.find(pfn)?.order()));
    let mut done = 0;

    for piece in pieces {
        let piece = piece.map_err(refused)?;

        target.put_piece(&piece, uptodate, |blocks| Progress {
            entries: extent.at as usize,
            pages: done + (blocks << piece.block_order),
        })?;
        done += piece.pages();
    }
    Ok(())
}

/// Frees the pages of an extent but for the first `skip`. False if that cannot be done to its end:
/// what follows memory that is not there is left alone, or a wrong length would take for ever.
fn discard_extent(entry: &ExtentSer, skip: u64, discard: &mut Discard<'_>) -> bool {
    // None of these numbers has more than 52 bits.
    let mut next = Pfn::new(entry.pfn().get() + skip);
    let end = Pfn::new(entry.pfn().get() + u64::from(entry.count));

    while next < end {
        // A block that reaches beyond the extent is somebody else's, too.
        match discard.block(next, end) {
            Some(after) => next = after,
            None => return false,
        }
    }
    true
}
