// SPDX-License-Identifier: GPL-2.0

//! A memfd that came from the previous kernel.
//!
//! Nothing that is read here is trusted: [`crate::logic::memfd`] checks the descriptor, the format
//! each entry of the table, and KHO gives out only what the previous kernel preserved, to one owner.

use core::marker::PhantomData;

use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use zerocopy::FromBytes;

use crate::abi::addr::PhysAddr;
use crate::abi::memfd::MemfdSer;
use crate::abi::PAGE_SIZE;
use crate::kernel::liveupdate::NotRetrieved;
use crate::kernel::memfd;
use crate::kernel::page::OwnedFolio;
use crate::kernel::shmem::Filler;
use crate::kernel::shmem::ShmemFile;
use crate::kho;
use crate::kho::vmalloc::Readable;
use crate::kho::Handed;
use crate::kho::Restorer;
use crate::logic::memfd::File as Checked;
use crate::logic::memfd::MemfdError;
use crate::logic::memfd::Piece;

use super::format::Format;

/// Makes a file of what the previous kernel left at `data`. Frees what cannot be used.
pub(super) fn retrieve<F: Format>(data: u64) -> Result<ARef<File>, NotRetrieved> {
    let mut restorer = Restorer::new();
    let descriptor = claim(data, &mut restorer)?;
    // First, as long as all is where it was: another time there may be memory and room for a file.
    let file = new_file(descriptor.bytes()).map_err(NotRetrieved::Later)?;
    let filled = match Memfd::<F>::open(descriptor.bytes(), &mut restorer) {
        Ok(memfd) => memfd.move_into(&file),
        // The table could not be mapped, and nothing was taken yet.
        Err(error) if error == ENOMEM => {
            pr_err!("memfd: no memory to read what was preserved; it may be retrieved later\n");
            return Err(NotRetrieved::Later(error));
        }
        Err(error) => Err(error),
    };

    restorer.free(descriptor);
    Ok(filled.map(|()| file)?)
}

/// Frees what the previous kernel left at `data`.
pub(super) fn discard<F: Format>(data: u64) {
    let mut restorer = Restorer::new();

    // What else goes wrong has been logged, and there is nobody to return it to.
    if let Ok(descriptor) = claim(data, &mut restorer) {
        let discarded = Memfd::<F>::open(descriptor.bytes(), &mut restorer).map(drop);

        if matches!(discarded, Err(error) if error == ENOMEM) {
            discard_apart::<F>(descriptor.bytes(), &mut restorer);
        }
        restorer.free(descriptor);
    }
}

/// Frees the contents without a look at the table as a whole, for which there is no memory.
#[cold]
fn discard_apart<F: Format>(descriptor: &[u8], restorer: &mut Restorer) {
    let Ok((ser, _)) = MemfdSer::read_from_prefix(descriptor) else {
        return;
    };
    let checked: Result<Checked, _> = Checked::check(&ser);
    let pages = checked.map_or(u64::MAX, |checked| checked.pages());
    let mut missing = 0;

    let table = ser.folios;
    let done = names_only_its_own::<F>(&ser, pages, restorer).and_then(|own| {
        let mut parts = Parts::of(&ser);

        kho::vmalloc::take_apart(&table, restorer, |part, restorer| {
            if own {
                missing += F::discard(parts.next(part), Progress::default(), restorer);
            }
        })
    });
    if missing != 0 {
        complain(missing);
    }
    if let Err(error) = done {
        pr_err!("memfd: the table of a memfd cannot be read to its end: {error:?}; what it lists stays reserved\n");
    }
}

/// [`may_free`] of a table that is seen part by part.
fn names_only_its_own<F: Format>(
    ser: &MemfdSer,
    pages: u64,
    restorer: &mut Restorer,
) -> Result<bool> {
    let table = ser.folios;
    let mut parts = Parts::of(ser);
    let mut named = 0u64;

    kho::vmalloc::see_apart(&table, restorer, |part| {
        named = named.saturating_add(F::named_pages(parts.next(part)));
    })?;
    Ok(may_free(named, pages))
}

/// Whether what a table lists can be freed, that names so many pages of a file of `pages`. Where they are more,
/// some are somebody else's, and nobody knows which: all stay as they are.
fn may_free(named: u64, pages: u64) -> bool {
    if named > pages {
        pr_warn!(
            "memfd: a table names {named} pages of a file of {pages}: they stay reserved until the next boot\n"
        );
    }
    named <= pages
}

/// The entries of a table that comes in parts.
struct Parts {
    /// Entries in parts that have not come yet.
    left: usize,
}

impl Parts {
    fn of(ser: &MemfdSer) -> Self {
        Self {
            left: usize::try_from(ser.nr_folios).unwrap_or(usize::MAX),
        }
    }

    /// The entries in the next part, which consists of whole pages.
    fn next<'a, F: Format>(&mut self, part: &'a [u8]) -> &'a [F] {
        // No entry lies in two pages.
        const { assert!(PAGE_SIZE.is_multiple_of(size_of::<F>())) };
        let count = self.left.min(part.len() / size_of::<F>());

        self.left -= count;
        first_entries(part, count)
    }
}

/// Some of what a table lists could not be freed.
fn complain(missing: u64) {
    pr_warn!("memfd: {missing} entries in the table of a memfd were not preserved\n");
}

/// Claims the descriptor at `data`. Dropping it gives it back.
fn claim(data: u64, restorer: &mut Restorer) -> Result<Handed> {
    restorer.claim(PhysAddr::new(data)).inspect_err(|error| {
        pr_err!("memfd: the descriptor at {data:#x} is not preserved: {error:?}\n");
    })
}

/// An empty file for what `descriptor`, which has not been checked, describes.
fn new_file(descriptor: &[u8]) -> Result<ARef<File>> {
    // Without seals where it cannot be read: that is found out again.
    let seals = MemfdSer::read_from_prefix(descriptor).map_or(0, |(ser, _)| ser.seals);

    memfd::create(seals).inspect_err(|error| {
        pr_err!("memfd: could not make a file: {error:?}; it may be retrieved later\n");
    })
}

/// Logs what is wrong, and says it as an error number.
pub(super) fn refused(error: MemfdError) -> Error {
    pr_err!(
        "memfd: refused what the previous kernel left: {}\n",
        format_args!("{error}")
    );
    match error {
        MemfdError::UnknownSeals { .. } => EOPNOTSUPP,
        MemfdError::BadSize { .. } => EFBIG,
        MemfdError::NotPreserved { .. } => EIO,
        _ => EINVAL,
    }
}

/// A memfd whose descriptor has been checked. Dropping it frees its contents.
pub(super) struct Memfd<'a, F: Format> {
    checked: Checked,
    /// [`None`] for a file without contents.
    contents: Option<Contents<'a, F>>,
}

impl<'a, F: Format> Memfd<'a, F> {
    /// `ENOMEM` if the table cannot be mapped; then nothing has changed.
    pub(super) fn open(descriptor: &[u8], restorer: &'a mut Restorer) -> Result<Self> {
        let (ser, _) = MemfdSer::read_from_prefix(descriptor).map_err(|_| EINVAL)?;
        match Checked::check(&ser) {
            Ok(checked) => {
                let contents = match checked.nr_folios() {
                    0 => None,
                    _ => Some(Contents::open(&ser, Some(&checked), restorer)?),
                };
                Ok(Self { checked, contents })
            }
            Err(error) => {
                // The rest may be sound. Do not keep its memory for ever.
                if ser.nr_folios != 0 {
                    match Contents::<'_, F>::open(&ser, None, restorer) {
                        Err(error) if error == ENOMEM => return Err(error),
                        contents => drop(contents),
                    }
                }
                Err(refused(error))
            }
        }
    }

    /// Makes `file`, which is new, what was preserved.
    fn move_into(self, file: &File) -> Result {
        let shmem = ShmemFile::from_file(file).ok_or(EINVAL)?;

        // While the file is empty nobody can be writing, so that no seal has to wait.
        shmem.add_seals(self.checked.seals())?;
        shmem.set_position(self.checked.pos())?;
        shmem.set_size(self.checked.size())?;
        match self.contents {
            Some(contents) => contents.fill(shmem, &self.checked),
            None => F::check_empty(&self.checked),
        }
    }
}

/// How far the contents of a memfd have found other owners.
#[derive(Clone, Copy, Default)]
pub(super) struct Progress {
    /// Entries that are done with, counted from the first.
    pub(super) entries: usize,
    /// Pages of the entry behind them that are.
    pub(super) pages: u64,
}

/// A new file, and what moves contents into it.
pub(super) struct Target<'a> {
    restorer: &'a mut Restorer,
    filler: Filler<'a>,
    /// What has found another owner so far.
    taken: Progress,
}

impl Target<'_> {
    /// The highest order of a folio that the file can hold.
    pub(super) fn max_order(&self) -> u32 {
        self.filler.max_order()
    }

    /// Moves a piece into the file. `taken` says what it means that so many of its blocks have found an
    /// owner.
    #[inline]
    pub(super) fn put_piece(
        &mut self,
        piece: &Piece,
        uptodate: bool,
        taken: impl Fn(u64) -> Progress,
    ) -> Result {
        if piece.order < piece.block_order {
            return self.put_split(piece, uptodate, taken);
        }
        match self
            .restorer
            .restore_together(piece.pfn, piece.block_order, piece.order)
        {
            Some(folio) => {
                self.taken = taken(piece.pages() >> piece.block_order);
                put(&mut self.filler, folio, piece.order, piece.index, uptodate)
            }
            None => self.put_one_by_one(piece, uptodate, taken),
        }
    }

    /// Makes several folios of one block.
    fn put_split(
        &mut self,
        piece: &Piece,
        uptodate: bool,
        taken: impl Fn(u64) -> Progress,
    ) -> Result {
        let folios = self
            .restorer
            .restore_split(piece.pfn, piece.block_order, piece.order)
            .ok_or(EIO)?;
        let mut index = piece.index;

        self.taken = taken(1);
        for folio in folios {
            put(&mut self.filler, folio, piece.order, index, uptodate)?;
            index += 1 << piece.order;
        }
        Ok(())
    }

    /// Makes a folio of each block: of neighbours that are not in the same zone, for one.
    #[cold]
    fn put_one_by_one(
        &mut self,
        piece: &Piece,
        uptodate: bool,
        taken: impl Fn(u64) -> Progress,
    ) -> Result {
        for (block, count) in piece.blocks().zip(1..) {
            let folio = self.restorer.restore(block.pfn, block.order).ok_or(EIO)?;

            self.taken = taken(count);
            put(&mut self.filler, folio, block.order, block.index, uptodate)?;
        }
        Ok(())
    }
}

/// Puts a folio of `order` into the file, and says so if that fails.
#[inline]
fn put(
    filler: &mut Filler<'_>,
    folio: OwnedFolio,
    order: u32,
    index: u64,
    uptodate: bool,
) -> Result {
    filler.insert(folio, index, uptodate).inspect_err(|error| {
        pr_err!(
            "memfd: could not put a folio of order {order} at page {index} of the file: {error:?}\n"
        );
    })
}

/// What a memfd contains, as far as nobody has taken it.
struct Contents<'a, F: Format> {
    restorer: &'a mut Restorer,
    /// There until it is freed.
    table: Option<Readable>,
    /// Entries in the table.
    count: usize,
    /// Length of the file in pages; without bounds where that cannot be believed.
    pages: u64,
    taken: Progress,
    _format: PhantomData<F>,
}

impl<'a, F: Format> Contents<'a, F> {
    /// Opens the table. `checked` is [`None`] where it is only wanted in order to be freed.
    fn open(ser: &MemfdSer, checked: Option<&Checked>, restorer: &'a mut Restorer) -> Result<Self> {
        let descriptor = ser.folios;
        let table = kho::vmalloc::read(&descriptor, restorer)?;
        let room = table.len() / size_of::<F>();
        let count = usize::try_from(ser.nr_folios).unwrap_or(usize::MAX);
        // First, so that what follows frees the contents where it fails.
        let this = Self {
            restorer,
            table: Some(table),
            count: count.min(room),
            pages: checked.map_or(u64::MAX, Checked::pages),
            taken: Progress::default(),
            _format: PhantomData,
        };
        if let Some(checked) = checked {
            checked
                .check_array(descriptor.total_pages.into(), size_of::<F>())
                .map_err(refused)?;
        }
        Ok(this)
    }

    /// Moves the contents into `file`, which is new.
    fn fill(mut self, file: &ShmemFile, checked: &Checked) -> Result {
        let entries = entries_of(&self.table, self.count);
        let mut target = Target {
            filler: Filler::new(file, F::expected(entries, checked)?),
            restorer: self.restorer,
            taken: Progress::default(),
        };
        let filled = F::fill(entries, checked, &mut target);

        self.taken = match filled {
            // What is left are holes.
            Ok(()) => Progress {
                entries: self.count,
                pages: 0,
            },
            Err(_) => target.taken,
        };
        filled?;
        target.filler.finish().inspect_err(|error| {
            pr_err!("memfd: could not put the last folios into the file: {error:?}\n");
        })
    }
}

/// The first `count` entries of a table.
fn entries_of<F: Format>(table: &Option<Readable>, count: usize) -> &[F] {
    first_entries(table.as_deref().unwrap_or(&[]), count)
}

/// The first `count` entries in memory that has room for as many.
fn first_entries<F: Format>(bytes: &[u8], count: usize) -> &[F] {
    match <[F]>::ref_from_prefix_with_elems(bytes, count) {
        Ok((entries, _)) => entries,
        // Bytes have any alignment.
        Err(_) => &[],
    }
}

impl<F: Format> Drop for Contents<'_, F> {
    fn drop(&mut self) {
        let entries = entries_of::<F>(&self.table, self.count);
        let missing = if may_free(F::named_pages(entries), self.pages) {
            F::discard(entries, self.taken, self.restorer)
        } else {
            0
        };

        if let Some(table) = self.table.take() {
            table.free(self.restorer);
        }

        if missing != 0 {
            complain(missing);
        }
    }
}
