// SPDX-License-Identifier: GPL-2.0

//! A memfd that came from the previous kernel.
//!
//! Nothing that is read here is trusted: [`crate::logic::memfd`] checks the descriptor and each
//! entry of the table, and KHO gives out only what the previous kernel preserved, to one owner.

use core::cell::Cell;

use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use zerocopy::FromBytes;

use crate::abi::addr::PhysAddr;
use crate::abi::memfd::FolioSer;
use crate::abi::memfd::MemfdSer;
use crate::abi::memfd::FOLIO_UPTODATE;
use crate::kernel::memfd;
use crate::kernel::page::Marks;
use crate::kernel::shmem::Filler;
use crate::kernel::shmem::ShmemFile;
use crate::kernel::vmap::MappedPages;
use crate::kho;
use crate::kho::Handed;
use crate::kho::Restorer;
use crate::logic::memfd::File as Checked;
use crate::logic::memfd::MemfdError;
use crate::logic::runs::Run;

/// Makes a file of what the previous kernel left at `data`. Frees what cannot be used.
pub(super) fn retrieve(data: u64) -> Result<ARef<File>> {
    with_memfd(data, Memfd::into_file)
}

/// Frees what the previous kernel left at `data`.
pub(super) fn discard(data: u64) {
    // What goes wrong has been logged, and there is nobody to return it to.
    let _ = with_memfd(data, |memfd| {
        drop(memfd);
        Ok(())
    });
}

/// Claims the memfd whose descriptor is at `data`, passes it to `f`, and frees the descriptor.
fn with_memfd<T>(data: u64, f: impl FnOnce(Memfd) -> Result<T>) -> Result<T> {
    let descriptor = Handed::claim(PhysAddr::new(data)).inspect_err(|error| {
        pr_err!("memfd: the descriptor at {data:#x} is not preserved: {error:?}\n");
    })?;
    let result = Memfd::open(descriptor.bytes()).and_then(f);
    descriptor.free();
    result
}

/// Logs what is wrong, and says it as an error number.
fn refused(error: MemfdError) -> Error {
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
pub(super) struct Memfd {
    checked: Checked,
    /// [`None`] for a file without contents.
    contents: Option<Contents>,
}

impl Memfd {
    pub(super) fn open(descriptor: &[u8]) -> Result<Self> {
        let (ser, _) = MemfdSer::read_from_prefix(descriptor).map_err(|_| EINVAL)?;
        match Checked::check(&ser) {
            Ok(checked) => {
                let contents = match checked.nr_folios() {
                    0 => None,
                    _ => Some(Contents::open(&ser, Some(&checked))?),
                };
                Ok(Self { checked, contents })
            }
            Err(error) => {
                // The rest may be sound. Do not keep its memory for ever.
                if ser.nr_folios != 0 {
                    drop(Contents::open(&ser, None));
                }
                Err(refused(error))
            }
        }
    }

    fn into_file(self) -> Result<ARef<File>> {
        let file = memfd::create().inspect_err(|error| {
            pr_err!("memfd: could not make a file: {error:?}\n");
        })?;
        let shmem = ShmemFile::from_file(&file).ok_or(EINVAL)?;

        // While the file is empty nobody can be writing, so that no seal has to wait.
        shmem.add_seals(self.checked.seals())?;
        shmem.set_position(self.checked.pos())?;
        shmem.set_size(self.checked.size())?;
        if let Some(contents) = self.contents {
            contents.fill(shmem, &self.checked)?;
        }
        Ok(file)
    }
}

/// The folios of a memfd, of which nobody has taken the first `taken`.
struct Contents {
    table: MappedPages,
    /// Entries in the table, of which the first `taken` are done with.
    count: usize,
    taken: usize,
}

impl Contents {
    /// Maps the table. `checked` is [`None`] where it is only wanted in order to be freed.
    fn open(ser: &MemfdSer, checked: Option<&Checked>) -> Result<Self> {
        let descriptor = ser.folios;
        let table = kho::vmalloc::restore(&descriptor)?;
        let room = table.len() / size_of::<FolioSer>();
        if let Some(checked) = checked {
            checked
                .check_array(descriptor.total_pages.into())
                .map_err(refused)?;
        }
        let count = usize::try_from(ser.nr_folios).unwrap_or(usize::MAX);
        Ok(Self {
            table,
            count: count.min(room),
            taken: 0,
        })
    }

    fn entries(&self) -> &[FolioSer] {
        match <[FolioSer]>::ref_from_prefix_with_elems(&self.table, self.count) {
            Ok((entries, _)) => entries,
            // `open` has made sure that they fit, and bytes have any alignment.
            Err(_) => &[],
        }
    }

    /// Moves the folios into `file`, which is new.
    fn fill(mut self, file: &ShmemFile, checked: &Checked) -> Result {
        let taken = Cell::new(0);
        let result = self.fill_counting(file, checked, &taken);
        self.taken = taken.get();
        result
    }

    fn fill_counting(&self, file: &ShmemFile, checked: &Checked, taken: &Cell<usize>) -> Result {
        let mut filler = Filler::new(file, self.count);
        let mut restorer = Restorer::new();
        let mut marks = Marks::new();
        let folios = checked
            .folios(self.entries(), |pfn| Some(marks.find(pfn)?.order()))
            .merged(filler.max_order());

        for folio in folios {
            let folio = folio.map_err(refused)?;
            let uptodate = folio.flags & FOLIO_UPTODATE != 0;
            let owned = restorer
                .restore(folio.pfn, folio.block_order, folio.order)
                .ok_or(EIO)?;
            taken.set(folio.at as usize + folio.entries());
            filler
                .insert(owned, folio.index, uptodate)
                .inspect_err(|error| {
                    pr_err!(
                        "memfd: could not put a folio of order {} at page {} of the file: {error:?}\n",
                        folio.order,
                        folio.index
                    );
                })?;
        }
        filler.finish().inspect_err(|error| {
            pr_err!("memfd: could not put the last folios into the file: {error:?}\n");
        })?;
        // Holes at the end.
        taken.set(self.count);
        Ok(())
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        let mut restorer = Restorer::new();
        let mut missing = 0;
        let mut waiting: Option<Run> = None;

        for entry in self.entries().iter().skip(self.taken) {
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
        if missing != 0 {
            pr_warn!("memfd: {missing} folios in the table of a memfd were not preserved\n");
        }
    }
}
