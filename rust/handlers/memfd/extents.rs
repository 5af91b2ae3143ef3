// SPDX-License-Identifier: GPL-2.0

//! Reading a memfd that is described by extents.

use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::memfd::ExtentSer;
use crate::abi::memfd::FOLIO_UPTODATE;
use crate::kernel::mark::Marks;
use crate::kernel::shmem::Filler;
use crate::kho::Discard;
use crate::kho::Restorer;
use crate::logic::extents::Extent;
use crate::logic::memfd::File as Checked;

use super::incoming::put_piece;
use super::incoming::refused;
use super::incoming::Progress;
use super::incoming::Taken;

/// The pages in all extents, every one of which is validated: see
/// [`Format::expected`](super::format::Format::expected).
pub(super) fn pages(entries: &[ExtentSer], checked: &Checked) -> Result<usize> {
    let mut pages = 0;

    for extent in checked.extents(entries) {
        // Extents do not overlap, so that the sum is not more than the pages of the file.
        pages += extent.map_err(refused)?.pages as usize;
    }
    Ok(pages)
}

/// See [`Format::fill`](super::format::Format::fill).
pub(super) fn fill(
    entries: &[ExtentSer],
    checked: &Checked,
    restorer: &mut Restorer,
    filler: &mut Filler<'_>,
    taken: &Taken,
) -> Result {
    for extent in checked.extents(entries) {
        fill_extent(&extent.map_err(refused)?, restorer, filler, taken)?;
    }
    Ok(())
}

fn fill_extent(
    extent: &Extent,
    restorer: &mut Restorer,
    filler: &mut Filler<'_>,
    taken: &Taken,
) -> Result {
    let mut marks = Marks::new();
    let uptodate = extent.flags & FOLIO_UPTODATE != 0;
    let pieces = extent.pieces(filler.max_order(), |pfn| Some(marks.find(pfn)?.order()));
    let mut done = 0;

    for piece in pieces {
        let piece = piece.map_err(refused)?;

        put_piece(&piece, uptodate, restorer, filler, |blocks| {
            taken.set(Progress {
                entries: extent.at as usize,
                pages: done + (blocks << piece.block_order),
            });
        })?;
        done += piece.pages();
    }
    Ok(())
}

/// See [`Format::discard`](super::format::Format::discard).
pub(super) fn discard(entries: &[ExtentSer], taken: Progress, restorer: &mut Restorer) -> u64 {
    let mut discard = restorer.discard();
    let mut missing = 0;
    let mut skip = taken.pages;

    for entry in entries.iter().skip(taken.entries) {
        missing += u64::from(!discard_extent(entry, skip, &mut discard));
        skip = 0;
    }
    missing + discard.finish()
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
