// SPDX-License-Identifier: GPL-2.0

//! A memfd in the kernel that preserves it.
//!
//! Every step is an object that undoes itself when it is dropped, so that an error half way, and
//! the end of the preservation, are the same thing.

use kernel::prelude::*;
use zerocopy::FromBytes;

use crate::abi::kho::KhoVmalloc;
use crate::abi::memfd::MemfdSer;
use crate::abi::memfd::ALL_SEALS;
use crate::kernel::memfd::PinnedFolios;
use crate::kernel::shmem::Frozen;
use crate::kernel::shmem::ShmemFile;
use crate::kernel::table;
use crate::kernel::table::Place;
use crate::kho;
use crate::kho::Batch;
use crate::kho::Preserved;

use super::format::Format;

/// Entries whose folios are preserved before others may use KHO's records. Long enough for the lock
/// not to matter, short enough not to keep others waiting.
const BATCH: usize = 512;

/// A preserved memfd.
///
/// The order of the fields is that in which they are undone.
pub(super) struct Memfd<F: Format> {
    /// [`None`] for an empty file. Held for what dropping it undoes; only the tests look into it.
    #[cfg_attr(not(CONFIG_LIVEUPDATE_KUNIT_TEST), expect(dead_code))]
    contents: Option<Contents<F>>,
    descriptor: Preserved,
}

impl<F: Format> Memfd<F> {
    /// Preserves `file` as it is now, and freezes its size.
    pub(super) fn preserve(file: &ShmemFile) -> Result<KBox<Self>> {
        let mut inode = file.lock();
        let frozen = inode.freeze();

        let mut descriptor = Preserved::new(size_of::<MemfdSer>())?;
        let seals = known_seals(file)?;
        let size = file.size();
        let contents = match size {
            0 => None,
            size => Some(Contents::preserve(&frozen, size)?),
        };

        let ser = descriptor_of(&mut descriptor)?;
        ser.pos = file.position();
        ser.size = size;
        ser.seals = seals;
        if let Some(contents) = &contents {
            ser.nr_folios = contents.folios.pinned.entries().len() as u64;
            ser.folios = contents.table.0;
        }

        let this = KBox::new(
            Self {
                contents,
                descriptor,
            },
            GFP_KERNEL,
        )?;
        frozen.keep();
        Ok(this)
    }

    /// What the next kernel is given: the physical address of the descriptor.
    pub(super) fn data(&self) -> u64 {
        self.descriptor.phys().get()
    }

    /// The memory that the next kernel is given.
    #[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
    pub(super) fn descriptor(&self) -> &[u8] {
        self.descriptor.bytes()
    }

    /// The table that the next kernel is given.
    #[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
    pub(super) fn entries(&self) -> &[F] {
        self.contents
            .as_ref()
            .map_or(&[], |contents| contents.folios.pinned.entries())
    }

    /// Makes `file` an ordinary file again.
    pub(super) fn unpreserve(this: KBox<Self>, file: &ShmemFile) {
        let mut inode = file.lock();
        inode.unfreeze();
        drop(this);
    }

    /// Saves what may have changed since: the position and the seals.
    pub(super) fn freeze(&mut self, file: &ShmemFile) -> Result {
        let ser = descriptor_of(&mut self.descriptor)?;

        ser.seals = known_seals(file)?;
        ser.pos = file.position();
        Ok(())
    }
}

/// The seals of a file. `EOPNOTSUPP` if there are some that the format does not know.
fn known_seals(file: &ShmemFile) -> Result<u32> {
    let seals = file.seals()?;

    if seals & !ALL_SEALS != 0 {
        pr_warn!(
            "memfd: seals {:#x} are not known to the format; not preserved\n",
            seals & !ALL_SEALS
        );
        return Err(EOPNOTSUPP);
    }
    Ok(seals)
}

/// The descriptor in its memory.
fn descriptor_of(memory: &mut Preserved) -> Result<&mut MemfdSer> {
    match MemfdSer::mut_from_prefix(memory.bytes_mut()) {
        Ok((ser, _)) => Ok(ser),
        Err(_) => Err(EINVAL),
    }
}

/// The contents of a preserved memfd: its folios, and the table that lists them.
///
/// The order of the fields is that in which they are undone.
struct Contents<F: Format> {
    table: Table,
    folios: Folios<F>,
}

impl<F: Format> Contents<F> {
    /// Preserves the first `size` bytes, which are not zero.
    fn preserve(file: &Frozen<'_, '_>, size: u64) -> Result<Self> {
        // Whether a folio is clean or was never written may change until the kexec. So pinning
        // leaves none of them so: the next kernel's reclaim must not drop what was written last.
        let folios = Folios::preserve(PinnedFolios::pin(file, size)?)?;
        Ok(Self {
            table: Table::preserve(folios.pinned.entries())?,
            folios,
        })
    }
}

/// Folios that are pinned, some of them preserved. All of them if it was made by
/// [`preserve`](Self::preserve).
struct Folios<F: Format> {
    pinned: PinnedFolios<F>,
    /// How many entries' folios are preserved, counted from the first.
    preserved: usize,
}

impl<F: Format> Folios<F> {
    fn preserve(pinned: PinnedFolios<F>) -> Result<Self> {
        let mut this = Self {
            pinned,
            preserved: 0,
        };
        for chunk in this.pinned.chunks(usize::MAX, BATCH) {
            F::preserve(chunk, &mut Batch::begin()?)?;
            this.preserved += chunk.entries().len();
        }
        Ok(this)
    }
}

impl<F: Format> Drop for Folios<F> {
    fn drop(&mut self) {
        for chunk in self.pinned.chunks(self.preserved, BATCH) {
            match Batch::begin() {
                Ok(mut batch) => F::unpreserve(chunk, &mut batch),
                // There was a batch before, in which these were preserved.
                Err(error) => pr_err!("memfd: cannot unpreserve folios: {error:?}\n"),
            }
        }
    }
}

/// A table of entries that is preserved where it is. The owner of the memory keeps it meanwhile.
struct Table(KhoVmalloc);

impl Table {
    fn preserve<F: Format>(entries: &table::Table<F>) -> Result<Self> {
        let preserved = match Place::of(entries).ok_or(EINVAL)? {
            Place::Page(pfn) => kho::vmalloc::preserve_page(pfn),
            // What is behind the last entry stays here.
            Place::Area(area) => {
                kho::vmalloc::preserve_start(&area, size_of_val(entries.as_slice()))
            }
        };
        Ok(Self(preserved?))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        kho::vmalloc::unpreserve(&self.0);
    }
}
