// SPDX-License-Identifier: GPL-2.0

//! Reading a memfd of which every folio is listed: `memfd-v2`.

use kernel::prelude::*;

use crate::abi::memfd::FolioSer;
use crate::abi::memfd::FOLIO_UPTODATE;
use crate::kernel::mark::Marks;
use crate::kernel::shmem::Filler;
use crate::kho::Restorer;
use crate::logic::memfd::File as Checked;
use crate::logic::runs::Run;

use super::incoming::put;
use super::incoming::refused;
use super::incoming::Progress;
use super::incoming::Taken;

/// See [`Format::fill`](super::format::Format::fill).
pub(super) fn fill(
    entries: &[FolioSer],
    checked: &Checked,
    filler: &mut Filler<'_>,
    taken: &Taken,
) -> Result {
    let mut restorer = Restorer::new();
    let mut marks = Marks::new();
    let folios = checked
        .folios(entries, |pfn| Some(marks.find(pfn)?.order()))
        .merged(filler.max_order());

    for folio in folios {
        let folio = folio.map_err(refused)?;
        let uptodate = folio.flags & FOLIO_UPTODATE != 0;
        let owned = restorer
            .restore(folio.pfn, folio.block_order, folio.order)
            .ok_or(EIO)?;

        taken.set(Progress {
            entries: folio.at as usize + folio.entries(),
            pages: 0,
        });
        put(filler, owned, folio.order, folio.index, uptodate)?;
    }
    Ok(())
}

/// See [`Format::discard`](super::format::Format::discard).
pub(super) fn discard(entries: &[FolioSer], taken: Progress, restorer: &mut Restorer) -> u64 {
    let mut missing = 0;
    let mut waiting: Option<Run> = None;

    for entry in entries.iter().skip(taken.entries) {
        let pfn = entry.pfn();
        // Frame zero is a hole.
        if pfn.get() == 0 {
            continue;
        }
        let Some(order) = restorer.order_at(pfn) else {
            missing += 1;
            continue;
        };
        if let Some(run) = &mut waiting {
            if run.extend(pfn, order) {
                continue;
            }
        }
        if let Some(run) = waiting.replace(Run::single(pfn, order)) {
            missing += restorer.discard(&run);
        }
    }
    if let Some(run) = waiting {
        missing += restorer.discard(&run);
    }
    missing
}
