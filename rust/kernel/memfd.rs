// SPDX-License-Identifier: GPL-2.0

//! memfds: making one, its seals, and pinning all of its folios.
//!
//! C headers: [`include/linux/memfd.h`](srctree/include/linux/memfd.h),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::ptr::NonNull;

use kernel::error::from_err_ptr;
use kernel::error::to_result;
use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

use crate::abi::addr::Pfn;
use crate::abi::memfd::ExtentSer;
use crate::abi::memfd::FolioSer;
use crate::abi::memfd::FOLIO_DIRTY;
use crate::abi::memfd::FOLIO_UPTODATE;
use crate::abi::PAGE_SHIFT;

use super::bindings;
use super::direct_map;
use super::page::Folio;
use super::pin;
use super::pin::Found;
use super::pin::Unpinner;
use super::shmem;
use super::shmem::ShmemFile;
use super::table::Table;

/// Pages of a file that `memfd_pin_folios()` pins by one call. The upper limit bounds the size of the
/// array between C and here.
const MIN_WINDOW: u64 = 1 << 5;
const WINDOW: u64 = 1 << 16;

/// Seals that sealing the mode of an executable file implies.
const IMPLIED: u32 = bindings::F_SEAL_SHRINK
    | bindings::F_SEAL_GROW
    | bindings::F_SEAL_WRITE
    | bindings::F_SEAL_FUTURE_WRITE;

/// Makes an empty memfd without a name, that may be sealed, and is about to get `seals`.
///
/// C counterpart: `memfd_alloc_file("")`.
pub(crate) fn create(seals: u32) -> Result<ARef<File>> {
    // Had the file been executable when its mode was sealed, then it would have the others, too. If a
    // file that is executable got this seal here, it could never be written to again.
    let flags = match seals & bindings::F_SEAL_EXEC != 0 && seals & IMPLIED != IMPLIED {
        true => bindings::MFD_NOEXEC_SEAL,
        false => bindings::MFD_ALLOW_SEALING,
    };
    // SAFETY: The name is a C string.
    let file = from_err_ptr(unsafe { bindings::memfd_alloc_file(c"".as_char_ptr(), flags) })?;
    let file = NonNull::new(file).ok_or(ENOMEM)?;
    // SAFETY: The file is new and comes with one reference, which becomes that of the result.
    // Nobody else knows it, so that nobody uses its position.
    Ok(unsafe { ARef::from_raw(file.cast()) })
}

impl ShmemFile {
    /// The seals of the file: `F_SEAL_*`.
    pub(crate) fn seals(&self) -> Result<u32> {
        // SAFETY: The file is open.
        let seals = unsafe { bindings::memfd_get_seals(self.as_raw()) };
        u32::try_from(seals).map_err(|_| Error::from_errno(seals))
    }

    /// Adds seals, which never go away again. Takes the lock of the inode; may sleep.
    ///
    /// [`EPERM`] if the file may not be sealed, [`EINVAL`] for an unknown seal, [`EBUSY`] if
    /// somebody is writing.
    pub(crate) fn add_seals(&self, seals: u32) -> Result {
        // SAFETY: The file is open.
        to_result(unsafe { bindings::memfd_add_seals(self.as_raw(), seals) })
    }
}

/// Folios as `memfd_pin_folios()` gave them. Dropping it unpins them.
///
/// # Invariants
///
/// Each element is a folio of which one pin belongs to this object.
struct Window(KVVec<*mut bindings::folio>);

impl Window {
    fn new(capacity: usize) -> Result<Self> {
        Ok(Self(KVVec::with_capacity(capacity, GFP_KERNEL)?))
    }

    /// Pins the folios of `file` from byte `start` up to and including `last`, which are inside
    /// of the file. Allocates those that are missing, swaps in, and migrates what must not stay
    /// where it is. The window must be empty.
    fn pin(&mut self, file: &ShmemFile, start: u64, last: u64) -> Result {
        let mut offset = 0;
        let start = i64::try_from(start).map_err(|_| EFBIG)?;
        let last = i64::try_from(last).map_err(|_| EFBIG)?;
        let room = u32::try_from(self.0.capacity()).unwrap_or(u32::MAX);
        // SAFETY: The file is open. The array has room for so many pointers.
        let pinned = unsafe {
            bindings::memfd_pin_folios(
                file.as_raw(),
                start,
                last,
                self.0.as_mut_ptr(),
                room,
                &mut offset,
            )
        };
        let Ok(pinned) = usize::try_from(pinned) else {
            return Err(Error::from_errno(pinned as c_int));
        };
        // SAFETY: The callee has written so many elements, which is at most `room`.
        // INVARIANT: It has pinned each of them once.
        unsafe { self.0.inc_len(pinned) };
        Ok(())
    }

    /// The folios, in the order of the file.
    fn folios(&self) -> impl ExactSizeIterator<Item = &Folio> {
        // SAFETY: By the type invariant the folio is pinned while this borrows the window.
        self.0
            .iter()
            .map(|folio| unsafe { Folio::from_ptr(*folio) })
    }

    /// Empties the window. The pins are the caller's.
    fn forget(&mut self) {
        self.0.clear();
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a pin of each to give back.
        unsafe { bindings::unpin_folios(self.0.as_mut_ptr(), self.0.len()) };
    }
}

/// How pinned folios are written down for the next kernel: one entry for each, or for several.
///
/// # Safety
///
/// [`Record::frames`] is what the entry was made of: from the frame that [`Record::new`] was given to
/// behind the pages that it and [`Record::add`] were given, if [`Record::JOINS`]; else from that frame
/// to behind it.
pub(crate) unsafe trait Record: Copy {
    /// Whether an entry may be of several folios that follow each other in memory.
    const JOINS: bool;

    /// Writes `pages` pages down that begin at `pfn` in memory, and at page `index` of the file.
    /// [`None`] if there is no such entry.
    fn new(pfn: Pfn, pages: u64, index: u64) -> Option<Self>;

    /// Adds `pages` pages to the entry, which has less than 32 bits of them then.
    fn add(&mut self, pages: u64);

    /// The first frame, and one behind which no folio of this entry begins.
    fn frames(&self) -> (Pfn, Pfn);
}

/// What all entries say: pinned folios are [made durable](shmem::make_durable).
const FLAGS: u16 = FOLIO_DIRTY | FOLIO_UPTODATE;

// SAFETY: The frame is stored, all 52 bits of it or there is no entry.
unsafe impl Record for FolioSer {
    const JOINS: bool = false;

    #[inline]
    fn new(pfn: Pfn, _: u64, index: u64) -> Option<Self> {
        Self::new(pfn, FLAGS, index)
    }

    #[inline]
    fn add(&mut self, _: u64) {}

    #[inline]
    fn frames(&self) -> (Pfn, Pfn) {
        (self.pfn(), Pfn::new(self.pfn().get() + 1))
    }
}

// SAFETY: As above; the number of pages is stored, too, and the caller sees to it that it fits.
unsafe impl Record for ExtentSer {
    const JOINS: bool = true;

    #[inline]
    fn new(pfn: Pfn, pages: u64, index: u64) -> Option<Self> {
        Self::new(pfn, FLAGS, index.try_into().ok()?, pages.try_into().ok()?)
    }

    #[inline]
    fn add(&mut self, pages: u64) {
        self.count += pages as u32;
    }

    #[inline]
    fn frames(&self) -> (Pfn, Pfn) {
        let start = self.pfn();
        (start, Pfn::new(start.get() + u64::from(self.count)))
    }
}

/// All folios of a file, pinned: they are there, outside of CMA, and stay where they are.
///
/// They are kept in the form in which the next kernel wants them, so that nothing else of the size
/// of the file is needed. Dropping it unpins them.
///
/// # Invariants
///
/// The frames of each entry are those of folios that follow each other, the last of which may reach
/// further. One pin of each belongs to this object.
pub(crate) struct PinnedFolios<R: Record> {
    entries: Table<R>,
    /// The frame behind those of the last entry.
    after: Pfn,
}

impl<R: Record> PinnedFolios<R> {
    /// Pins the folios of `file` that make up its first `size` bytes, and makes what they hold part
    /// of the file for good, as [`shmem::make_durable`] does. May sleep for long.
    ///
    /// The file must be frozen, with the lock of its inode held, and at least of that size.
    ///
    /// Holes are filled. [`EFBIG`] if there are more pages than `memfd_pin_folios()` could count.
    pub(crate) fn pin(file: &shmem::Frozen<'_, '_>, size: u64) -> Result<Self> {
        let mut this = Self {
            entries: Table::new(),
            after: Pfn::new(u64::MAX),
        };
        let pages = size.div_ceil(1 << PAGE_SHIFT);
        if u32::try_from(pages).is_err() {
            return Err(EFBIG);
        }
        let mut next = 0;
        let mut window = MIN_WINDOW;
        while next < pages {
            let after = this.pin_present(file.file(), next, pages)?;
            // One hole is followed by others: look at more at a time, up to a limit.
            window = match after == next {
                true => WINDOW.min(window * 2),
                false => MIN_WINDOW,
            };
            next = after;
            if next < pages {
                next = this.pin_any(file.file(), next, size, window)?;
            }
        }
        Ok(this)
    }

    /// Pins folios from page `next` of the file on as long as they are there and may stay where they
    /// are. Returns the page that follows the last.
    fn pin_present(&mut self, file: &ShmemFile, mut next: u64, pages: u64) -> Result<u64> {
        let mapping = file.mapping();
        let mut found = Found::new();

        while next < pages {
            let before = next;

            // First, so that no pin is without an entry.
            self.reserve((pages - next).min(pin::BATCH as u64) as usize, next, pages)?;
            found.refill(mapping, next, pages - 1);
            // SAFETY: The folio is not looked at any more once its pin is given back.
            while let Some(folio) = unsafe { found.next() } {
                let flags = folio.flags();

                match self.push(folio, folio.order_by(flags), next, pages) {
                    Ok(after) => next = after,
                    Err(error) => {
                        // SAFETY: The pin is not in the list.
                        unsafe { Unpinner::new().unpin(NonNull::from(folio).cast()) };
                        return Err(error);
                    }
                }
                // SAFETY: The folio was found in a file in shmem, and is pinned.
                unsafe { shmem::make_durable(folio, flags) };
            }
            if next == before {
                break;
            }
        }
        Ok(next)
    }

    /// Pins folios from page `next` of the file on, about `window` pages of the `size` bytes, whatever
    /// has to be done for that. Returns the page that follows the last.
    fn pin_any(&mut self, file: &ShmemFile, mut next: u64, size: u64, window: u64) -> Result<u64> {
        let pages = size.div_ceil(1 << PAGE_SHIFT);
        let end = pages.min(next + window);
        let last = size.min(end << PAGE_SHIFT) - 1;
        let mut window = Window::new((end - next) as usize)?;
        let (count, last_entry) = (self.entries.len(), self.entries.last().copied());
        let after = self.after;

        window.pin(file, next << PAGE_SHIFT, last)?;
        self.reserve(window.0.len(), next, pages)?;
        let before = next;
        for folio in window.folios() {
            match self.push(folio, folio.order(), next, pages) {
                Ok(after) => next = after,
                Err(error) => {
                    // The pins are still those of the window.
                    self.after = after;
                    self.entries.truncate(count);
                    if let (Some(entry), Some(was)) = (self.entries.last_mut(), last_entry) {
                        *entry = was;
                    }
                    return Err(error);
                }
            }
        }
        if next == before {
            return Err(EIO);
        }
        for folio in window.folios() {
            // SAFETY: The folio was found in a file in shmem, and is pinned.
            unsafe { shmem::make_durable(folio, folio.flags()) };
        }
        // INVARIANT: The pins change hands, together with all of their entries.
        window.forget();
        Ok(next)
    }

    /// Writes `folio` of `order` down, which has to be at page `next` of the file of `pages` pages, and
    /// for which there is room. Returns the page that follows it.
    #[inline(always)]
    fn push(&mut self, folio: &Folio, order: u32, next: u64, pages: u64) -> Result<u64> {
        let pfn = folio.pfn();
        let after = next + (1 << order);
        let count = after.min(pages) - next;

        if shmem::index_of(folio) != next {
            return Err(EIO);
        }
        match self.entries.last_mut() {
            // What came before is before it in the file, too: there are no holes. All pages
            // together have no more than 32 bits.
            Some(last) if R::JOINS && self.after == pfn => last.add(count),
            _ => {
                let entry = R::new(pfn, count, next).ok_or(EIO)?;
                self.entries
                    .push_within_capacity(entry)
                    .map_err(|_| ENOMEM)?;
            }
        }
        self.after = Pfn::new(pfn.get() + count);
        Ok(after)
    }

    /// Makes room for `more` entries, and for as many as the file from page `next` to `pages` will
    /// need if it is made of folios of the same size as before.
    #[inline]
    fn reserve(&mut self, more: usize, next: u64, pages: u64) -> Result {
        if self.entries.capacity() - self.entries.len() >= more {
            return Ok(());
        }
        self.grow(more, next, pages)
    }

    #[cold]
    fn grow(&mut self, more: usize, next: u64, pages: u64) -> Result {
        let left = pages - next;
        let expected = match (self.entries.len() as u64).checked_mul(left) {
            // Nothing is known yet: the table must not be sized for small folios if these are large.
            Some(0) => more as u64,
            Some(product) => product.div_ceil(next.max(1)),
            None => left,
        };
        // How many folios an entry has is not known from the first ones: most may be in one.
        let expected = match R::JOINS {
            true => expected.min(self.entries.len() as u64),
            false => expected,
        };
        let wanted = usize::try_from(expected).map_err(|_| EFBIG)?.max(more);
        // The rest of the last page goes to the next kernel: there must be nothing in it.
        Ok(self.entries.reserve(wanted, GFP_KERNEL | __GFP_ZERO)?)
    }

    /// The entries, in the order of the file, as the next kernel wants them.
    pub(crate) fn entries(&self) -> &Table<R> {
        &self.entries
    }

    /// The first `count` entries or fewer, `size` or fewer at a time.
    pub(crate) fn chunks(&self, count: usize, size: usize) -> impl Iterator<Item = Chunk<'_, R>> {
        let count = count.min(self.entries.len());
        // INVARIANT: The entries are borrowed from this object.
        self.entries[..count].chunks(size).map(Chunk)
    }
}

impl<R: Record> Drop for PinnedFolios<R> {
    fn drop(&mut self) {
        let mut unpinner = Unpinner::new();

        for entry in self.entries.iter() {
            let (mut next, end) = entry.frames();

            loop {
                let folio = direct_map::page_of(next).cast();
                // SAFETY: By the type invariant this is the head page of a folio that is pinned, and
                // there is a pin to give back. It is looked at no more after that.
                let pages = unsafe { unpinner.unpin(NonNull::new_unchecked(folio)) };

                next = Pfn::new(next.get().wrapping_add(pages));
                if !R::JOINS || next >= end {
                    break;
                }
            }
        }
    }
}

/// Some entries of a list of pinned folios.
///
/// # Invariants
///
/// They are part of [`PinnedFolios`] that live for `'a`.
pub(crate) struct Chunk<'a, R>(&'a [R]);

impl<R> Clone for Chunk<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Chunk<'_, R> {}

impl<'a, R> Chunk<'a, R> {
    /// The entries.
    #[inline]
    pub(crate) fn entries(self) -> &'a [R] {
        self.0
    }
}

impl<'a> Chunk<'a, FolioSer> {
    /// Their folios, by first page and order.
    #[inline]
    pub(crate) fn folios(self) -> impl Iterator<Item = (Pfn, u32)> + Clone + 'a {
        self.0.iter().map(|entry| {
            let pfn = entry.pfn();
            // SAFETY: By the type invariants this is the head page of a folio that is pinned for as
            // long as the list of entries, hence also while this borrows it.
            let folio: &Folio = unsafe { Folio::from_ptr(direct_map::page_of(pfn).cast()) };

            (pfn, folio.order())
        })
    }
}
