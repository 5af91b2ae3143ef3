// SPDX-License-Identifier: GPL-2.0

//! The two ways in which a memfd is written down.
//!
//! [`FolioSer`] lists every folio, as mainline does. [`ExtentSer`] lists pages that follow each other,
//! however many, so that contiguous memory costs next to nothing: neither to write it down, nor to
//! record it with KHO, whose blocks need not be the folios of the file, nor to read it back.

use kernel::prelude::*;
use kernel::sync::atomic::AtomicFlag;
use kernel::sync::atomic::Relaxed;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::KnownLayout;

use crate::abi::memfd as abi;
use crate::abi::memfd::ExtentSer;
use crate::abi::memfd::FolioSer;
use crate::kernel::memfd::Chunk;
use crate::kernel::memfd::Record;
use crate::kernel::page;
use crate::kernel::shmem;
use crate::kernel::shmem::Filler;
use crate::kho::Batch;
use crate::kho::Restorer;
use crate::logic::extents::Cut;
use crate::logic::memfd::File as Checked;
use crate::logic::runs::Run;

use super::incoming::Progress;
use super::incoming::Taken;

/// Entries of a table of a memfd, by which a format is known.
pub(super) trait Format:
    Record + FromBytes + Immutable + KnownLayout + Send + 'static
{
    /// Name of the format.
    const COMPATIBLE: &'static CStr;

    /// Whether this kernel writes it. It reads both.
    fn is_written() -> bool;

    /// Preserves the memory of some entries; all of it or none.
    fn preserve(chunk: Chunk<'_, Self>, batch: &mut Batch) -> Result;

    /// Takes [`Format::preserve`] of the same entries back.
    fn unpreserve(chunk: Chunk<'_, Self>, batch: &mut Batch);

    /// Validates the entries, which the previous kernel wrote, and moves what they name into a new file.
    /// `taken` is kept up to date with what has found another owner.
    fn fill(
        entries: &[Self],
        checked: &Checked,
        restorer: &mut Restorer,
        filler: &mut Filler<'_>,
        taken: &Taken,
    ) -> Result;

    /// The number of pages that `entries` name at least.
    fn expected(entries: &[Self], checked: &Checked) -> Result<usize>;

    /// Frees what `entries`, which the previous kernel wrote, name, but for what is `taken`. Returns how
    /// many of them name what was not preserved.
    fn discard(entries: &[Self], taken: Progress, restorer: &mut Restorer) -> u64;
}

/// `liveupdate_memfd=extents`.
static EXTENTS: AtomicFlag = AtomicFlag::new(false);

/// Chooses the format that is written.
pub(in crate::handlers) fn write_extents(on: bool) {
    EXTENTS.store(on, Relaxed);
}

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
        !EXTENTS.load(Relaxed)
    }

    #[inline]
    fn preserve(chunk: Chunk<'_, Self>, batch: &mut Batch) -> Result {
        batch.preserve_runs(folios(chunk))
    }

    #[inline]
    fn unpreserve(chunk: Chunk<'_, Self>, batch: &mut Batch) {
        batch.unpreserve_runs(folios(chunk));
    }

    fn fill(
        entries: &[Self],
        checked: &Checked,
        restorer: &mut Restorer,
        filler: &mut Filler<'_>,
        taken: &Taken,
    ) -> Result {
        super::folios::fill(entries, checked, restorer, filler, taken)
    }

    fn expected(entries: &[Self], _: &Checked) -> Result<usize> {
        Ok(entries.len())
    }

    fn discard(entries: &[Self], taken: Progress, restorer: &mut Restorer) -> u64 {
        super::folios::discard(entries, taken, restorer)
    }
}

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
        EXTENTS.load(Relaxed)
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

    fn fill(
        entries: &[Self],
        checked: &Checked,
        restorer: &mut Restorer,
        filler: &mut Filler<'_>,
        taken: &Taken,
    ) -> Result {
        super::extents::fill(entries, checked, restorer, filler, taken)
    }

    fn expected(entries: &[Self], checked: &Checked) -> Result<usize> {
        super::extents::pages(entries, checked)
    }

    fn discard(entries: &[Self], taken: Progress, restorer: &mut Restorer) -> u64 {
        super::extents::discard(entries, taken, restorer)
    }
}
