// SPDX-License-Identifier: GPL-2.0

//! The two ways in which a memfd is written down.
//!
//! [`folios`](super::folios) lists every folio, as mainline does. [`extents`](super::extents) lists pages that follow each other,
//! however many, so that contiguous memory costs next to nothing: neither to write it down, nor to
//! record it with KHO, whose blocks need not be the folios of the file, nor to read it back.

use kernel::prelude::*;
use kernel::sync::atomic::AtomicFlag;
use kernel::sync::atomic::Relaxed;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::KnownLayout;

use crate::kernel::memfd::Chunk;
use crate::kernel::memfd::Record;
use crate::kho::Batch;
use crate::kho::Restorer;
use crate::logic::memfd::File as Checked;

use super::incoming::Progress;
use super::incoming::Target;

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
    fn fill(entries: &[Self], checked: &Checked, target: &mut Target<'_>) -> Result;

    /// Whether a file can have no entries at all.
    fn check_empty(checked: &Checked) -> Result;

    /// The number of pages that `entries` name at least.
    fn expected(entries: &[Self], checked: &Checked) -> Result<usize>;

    /// How many pages `entries` say that they name, sound or not, where that can be known from them. More than
    /// the file has are somebody else's.
    fn named_pages(entries: &[Self]) -> u64;

    /// Frees what `entries`, which the previous kernel wrote, name, but for what is `taken`. Returns how many of
    /// them name what was not preserved.
    fn discard(entries: &[Self], taken: Progress, restorer: &mut Restorer) -> u64;
}

/// `liveupdate_memfd=extents`.
static EXTENTS: AtomicFlag = AtomicFlag::new(false);

/// Chooses the format that is written.
pub(in crate::handlers) fn write_extents(on: bool) {
    EXTENTS.store(on, Relaxed);
}

/// Whether extents are written.
pub(super) fn writes_extents() -> bool {
    EXTENTS.load(Relaxed)
}
