// SPDX-License-Identifier: GPL-2.0

//! A memfd of which every folio is listed: `memfd-v2`.

use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::memfd as abi;
use crate::abi::memfd::FolioSer;
use crate::abi::memfd::FOLIO_UPTODATE;
use crate::kernel::mark::Marks;
use crate::kernel::memfd::Chunk;
use crate::kho::Batch;
use crate::kho::Restorer;
use crate::logic::memfd::File as Checked;
use crate::logic::runs::Run;

use super::format::writes_extents;
use super::format::Format;
use super::incoming::refused;
use super::incoming::Progress;
use super::incoming::Target;

/// The folios of some entries, each a run of its own.
#[inline]
fn folios(chunk: Chunk<'_, FolioSer>) -> impl Iterator<Item = Run> + Clone + '_ {
    chunk
        .folios()
        .map(|(start, order)| Run::single(start, order))
}

impl Format for FolioSer {
    const COMPATIBLE: &'static CStr = abi::COMPATIBLE;

    fn is_written() -> bool {
        !writes_extents()
    }

    #[inline]
    fn preserve(chunk: Chunk<'_, Self>, batch: &mut Batch) -> Result {
        batch.preserve_runs(folios(chunk))
    }

    #[inline]
    fn unpreserve(chunk: Chunk<'_, Self>, batch: &mut Batch) {
        batch.unpreserve_runs(folios(chunk));
    }

    fn fill(entries: &[Self], checked: &Checked, target: &mut Target<'_>) -> Result {
        let mut marks = Marks::new();
        let folios = checked
            .folios(entries, |pfn| Some(marks.find(pfn)?.order()))
            .merged(target.max_order());

        let mut pages = 0;

        for folio in folios {
            let folio = folio.map_err(refused)?;
            let uptodate = folio.flags & FOLIO_UPTODATE != 0;
            let piece = folio.piece(target.max_order());

            target.put_piece(&piece, uptodate, |entries| Progress {
                entries: folio.at as usize + entries as usize,
                pages: 0,
            })?;
            // They do not overlap, so that the sum is not much more than the length of the file.
            pages += 1 << folio.order;
        }
        checked.check_complete(entries, pages).map_err(refused)
    }

    fn check_empty(checked: &Checked) -> Result {
        checked.check_complete(&[], 0).map_err(refused)
    }

    fn expected(entries: &[Self], _: &Checked) -> Result<usize> {
        Ok(entries.len())
    }

    fn named_pages(_: &[Self]) -> u64 {
        // An entry does not say how long it is.
        0
    }

    fn discard(entries: &[Self], taken: Progress, restorer: &mut Restorer) -> u64 {
        let mut discard = restorer.discard();
        let mut missing = 0;

        for entry in entries.iter().skip(taken.entries) {
            let pfn = entry.pfn();

            // Frame zero is a hole.
            if pfn.get() != 0 && discard.block(pfn, Pfn::new(u64::MAX)).is_none() {
                missing += 1;
            }
        }
        missing + discard.finish()
    }
}
