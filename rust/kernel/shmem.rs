// SPDX-License-Identifier: GPL-2.0

//! Files whose contents are in shmem: freezing them, and filling new ones with given folios.
//!
//! C headers: [`include/linux/shmem_fs.h`](srctree/include/linux/shmem_fs.h),
//! [`mm/internal.h`](srctree/mm/internal.h)

use core::mem;
use core::ptr;
use core::ptr::NonNull;

use kernel::error::to_result;
use kernel::fs::File;
use kernel::prelude::*;
use kernel::types::NotThreadSafe;

use super::bindings;
use super::page::Folio;
use super::page::OwnedFolio;

/// Pages that [`Filler`] accounts at a time, as far as it expects so many.
const ACCOUNT_BATCH: usize = 512;

/// The largest size that a file can have, in bytes (`MAX_LFS_FILESIZE` with 64 bits).
pub(crate) const MAX_FILE_SIZE: u64 = i64::MAX as u64;

/// A file whose contents are in shmem: a memfd, shared anonymous memory, a file in tmpfs.
///
/// # Invariants
///
/// `shmem_file()` holds for the file, which it does for all of its life or never.
#[repr(transparent)]
pub(crate) struct ShmemFile(File);

impl ShmemFile {
    /// Returns `file` if it is in shmem. A memfd of huge pages (`MFD_HUGETLB`) is not.
    pub(crate) fn from_file(file: &File) -> Option<&Self> {
        // SAFETY: The file is open.
        if !unsafe { bindings::lu_shmem_file(file.as_ptr()) } {
            return None;
        }
        // INVARIANT: It has just been checked.
        // SAFETY: The type is transparent.
        Some(unsafe { &*ptr::from_ref(file).cast::<Self>() })
    }

    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::file {
        self.0.as_ptr()
    }

    fn inode(&self) -> NonNull<bindings::inode> {
        // SAFETY: The file is open. Its inode is set when it is opened, and never changes.
        let inode = unsafe { (*self.as_raw()).f_inode };
        // SAFETY: A file in shmem has an inode.
        unsafe { NonNull::new_unchecked(inode) }
    }

    /// What finds the folios of the file.
    pub(super) fn mapping(&self) -> NonNull<bindings::address_space> {
        // SAFETY: The file is open, hence its inode exists, and has a mapping.
        unsafe { NonNull::new_unchecked((*self.inode().as_ptr()).i_mapping) }
    }

    /// A number that all files of the same inode share, and no others at the same time.
    pub(crate) fn inode_id(&self) -> usize {
        self.inode().as_ptr() as usize
    }

    /// Whether the file has a name in a file system.
    pub(crate) fn is_linked(&self) -> bool {
        // SAFETY: The file is open, hence its inode exists. The count may change at any time.
        unsafe {
            (&raw const (*self.inode().as_ptr()).__bindgen_anon_1.i_nlink).read_volatile() != 0
        }
    }

    /// Size in bytes. Changes at any time unless the inode is locked.
    pub(crate) fn size(&self) -> u64 {
        // SAFETY: The file is open, hence its inode exists.
        let size = unsafe { bindings::lu_inode_size(self.inode().as_ptr()) };
        // File systems do not make negative sizes.
        u64::try_from(size).unwrap_or(0)
    }

    /// Sets the size. There must be nobody yet who could use the file.
    pub(crate) fn set_size(&self, size: u64) -> Result {
        let size = i64::try_from(size).map_err(|_| EFBIG)?;
        // SAFETY: The file is open, hence its inode exists. On 64-bit machines this is one store.
        unsafe { bindings::lu_inode_set_size(self.inode().as_ptr(), size) };
        Ok(())
    }

    /// Blocks of 512 bytes that the file is accounted for.
    #[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
    pub(crate) fn blocks(&self) -> u64 {
        // SAFETY: The file is open, hence its inode exists.
        unsafe { (&raw const (*self.inode().as_ptr()).i_blocks).read_volatile() }
    }

    /// Whether the file's size is fixed by [`LockedInode::freeze`].
    #[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
    pub(crate) fn is_frozen(&self) -> bool {
        // SAFETY: The file is open, hence its inode exists.
        unsafe { bindings::lu_shmem_is_frozen(self.inode().as_ptr()) }
    }

    /// Position in bytes. Changes at any time.
    pub(crate) fn position(&self) -> u64 {
        // SAFETY: The file is open. A torn or old value is possible only on 32-bit machines.
        let position = unsafe { (&raw const (*self.as_raw()).f_pos).read_volatile() };
        // Files in shmem have no negative positions.
        u64::try_from(position).unwrap_or(0)
    }

    /// Sets the position. There must be nobody yet who could use the file.
    pub(crate) fn set_position(&self, position: u64) -> Result {
        let position = i64::try_from(position).map_err(|_| EINVAL)?;
        // SAFETY: The file is open.
        let set = unsafe { bindings::vfs_setpos(self.as_raw(), position, MAX_FILE_SIZE as i64) };
        if set < 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Locks the inode against everyone else: no size changes, no `write()`. May sleep.
    pub(crate) fn lock(&self) -> LockedInode<'_> {
        // SAFETY: The file is open, hence its inode exists.
        unsafe { bindings::lu_inode_lock(self.inode().as_ptr()) };
        // INVARIANT: The lock has just been taken.
        LockedInode {
            file: self,
            _not_send: NotThreadSafe,
        }
    }
}

/// Possession of the lock of a shmem inode.
///
/// # Invariants
///
/// This thread holds the inode's lock exclusively.
pub(crate) struct LockedInode<'a> {
    file: &'a ShmemFile,
    _not_send: NotThreadSafe,
}

impl<'a> LockedInode<'a> {
    /// Keeps every page of the file where it is in the file: from now on its size stays and
    /// `fallocate()` is refused. Contents may change. Dropping the result undoes it.
    pub(crate) fn freeze<'g>(&'g mut self) -> Frozen<'g, 'a> {
        // SAFETY: By the type invariant the inode is locked.
        unsafe { bindings::lu_shmem_freeze(self.file.inode().as_ptr(), true) };
        Frozen(self)
    }

    /// Undoes a freeze that was [kept](Frozen::keep).
    pub(crate) fn unfreeze(&mut self) {
        // SAFETY: By the type invariant the inode is locked.
        unsafe { bindings::lu_shmem_freeze(self.file.inode().as_ptr(), false) };
    }
}

impl Drop for LockedInode<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this thread has the lock to give back.
        unsafe { bindings::lu_inode_unlock(self.file.inode().as_ptr()) };
    }
}

/// A file that is frozen until this is dropped.
pub(crate) struct Frozen<'g, 'a>(&'g mut LockedInode<'a>);

impl<'a> Frozen<'_, 'a> {
    /// The frozen file.
    pub(crate) fn file(&self) -> &'a ShmemFile {
        self.0.file
    }

    /// Leaves the file frozen until [`LockedInode::unfreeze`].
    pub(crate) fn keep(self) {
        mem::forget(self);
    }
}

impl Drop for Frozen<'_, '_> {
    fn drop(&mut self) {
        self.0.unfreeze();
    }
}

const LOCKED: usize = 1 << bindings::pageflags_PG_locked;
const UPTODATE: usize = 1 << bindings::pageflags_PG_uptodate;
const DIRTY: usize = 1 << bindings::pageflags_PG_dirty;
const SWAPBACKED: usize = 1 << bindings::pageflags_PG_swapbacked;

#[inline]
fn flags_ptr(folio: *mut bindings::folio) -> *mut usize {
    // SAFETY: Only computes the address of a field; `folio` is in bounds of the memory map.
    unsafe { &raw mut (*folio).__bindgen_anon_1.__bindgen_anon_1.flags.f }
}

/// Where `folio`, which is in a file, is in that file, in pages.
#[inline]
pub(super) fn index_of(folio: &Folio) -> u64 {
    let folio = folio.as_ptr();
    // SAFETY: The folio exists, and has an index because it is in a file.
    unsafe {
        (*folio)
            .__bindgen_anon_1
            .__bindgen_anon_1
            .__bindgen_anon_2
            .index as u64
    }
}

/// Makes what `folio` holds part of its file for good: zeroes it if it was never written, and keeps
/// memory reclaim from throwing it away.
///
/// A folio that is both up to date and dirty is that already. Neither flag goes away while somebody
/// has the folio pinned, except that reclaim may write it to swap, which keeps its contents, too:
/// so the lock is only needed for the rest.
///
/// May sleep. `flags` are those of the folio, read since it is pinned.
///
/// # Safety
///
/// `folio` is part of a file in shmem, and somebody has it pinned.
#[inline]
pub(super) unsafe fn make_durable(folio: &Folio, flags: usize) {
    if flags & (UPTODATE | DIRTY) != UPTODATE | DIRTY {
        // SAFETY: The caller promises the same.
        unsafe { lock_and_make_durable(folio) };
    }
}

/// # Safety
///
/// As for [`make_durable`].
unsafe fn lock_and_make_durable(folio: &Folio) {
    let raw = folio.as_ptr();
    // SAFETY: The folio exists, and is locked while its flags and contents are changed. It is part
    // of a file: what is not up to date is mapped nowhere and read by nobody.
    unsafe {
        bindings::lu_folio_lock(raw);
        bindings::folio_mark_dirty(raw);
        if folio.flags() & UPTODATE == 0 {
            bindings::lu_folio_zero(raw);
            bindings::lu_folio_mark_uptodate(raw);
        }
        bindings::folio_unlock(raw);
    }
}

/// Whether the one reference of `folio` is the only one, and no file has it.
#[inline]
fn is_sole_owner(folio: &OwnedFolio) -> bool {
    let raw = folio.as_ptr();
    // SAFETY: The folio exists. Who else could change what is read here would have a reference.
    let (references, mapping) = unsafe {
        let head = &raw const (*raw).__bindgen_anon_1.__bindgen_anon_1;
        (
            (&raw const (*head)._refcount.counter).read_volatile(),
            (*head).mapping,
        )
    };
    references == 1 && mapping.is_null()
}

/// The highest order of a folio that files in shmem can hold.
pub(crate) fn max_order() -> u32 {
    // SAFETY: No preconditions.
    unsafe { bindings::lu_shmem_max_order() }
}

/// Folios that [`Filler`] collects before it puts them into the file.
const FILL_BATCH: usize = 64;

/// Puts folios into a new file, and accounts for them.
///
/// Dropping it settles the account: the file is charged for exactly the pages in it, however far
/// filling it has come. What is not in it by then is freed.
pub(crate) struct Filler<'a> {
    file: &'a ShmemFile,
    gfp: bindings::gfp_t,
    max_order: u32,
    /// Pages that are accounted for, and how many of them are not in the file yet.
    accounted: usize,
    credit: usize,
    /// Pages that are still to come, at least.
    expected: usize,
    waiting: Unsettled,
}

impl<'a> Filler<'a> {
    /// Prepares to fill `file`, which nobody else uses yet, with at least `expected` pages.
    pub(crate) fn new(file: &'a ShmemFile, expected: usize) -> Self {
        Self {
            file,
            // SAFETY: The mapping exists, and its mask of allocation flags was set when it was made.
            gfp: unsafe { (*file.mapping().as_ptr()).gfp_mask },
            max_order: max_order(),
            accounted: 0,
            credit: 0,
            expected,
            waiting: Unsettled::new(),
        }
    }

    /// The highest order of a folio that the file can hold.
    pub(crate) fn max_order(&self) -> u32 {
        self.max_order
    }

    /// Puts `folio` at page `index` of the file, behind all folios before. May sleep.
    ///
    /// The folio is dirty from then on, which keeps reclaim from dropping it. With `uptodate` unset
    /// its contents are zeroed before anybody sees them.
    ///
    /// [`EBUSY`] if the caller is not the only owner of the folio; [`EINVAL`] if a file cannot hold
    /// a folio of this order here; [`EEXIST`] if there is something already; [`ENOMEM`] or
    /// [`ENOSPC`] by the limits of the caller's memory cgroup and the system. The caller's reference
    /// is put then, and perhaps those of folios before: [`Filler::finish`] puts the last ones in.
    #[inline]
    pub(crate) fn insert(&mut self, folio: OwnedFolio, index: u64, uptodate: bool) -> Result {
        let order = folio.order();
        let pages = 1usize << order;

        if order > self.max_order || index & (pages as u64 - 1) != 0 {
            return Err(EINVAL);
        }
        if !is_sole_owner(&folio) {
            return Err(EBUSY);
        }
        if self.credit < pages {
            self.account(pages)?;
        }
        // SAFETY: The folio exists and is not charged, being new to this kernel.
        to_result(unsafe { bindings::lu_mem_cgroup_charge(folio.as_ptr(), self.gfp) })?;
        self.credit -= pages;
        self.expected = self.expected.saturating_sub(pages);
        if self.waiting.push(folio, index, uptodate) {
            return Ok(());
        }
        self.flush()
    }

    /// Puts into the file what has not been so far. Nothing is left to fail after this.
    pub(crate) fn finish(mut self) -> Result {
        self.flush()
    }

    fn flush(&mut self) -> Result {
        self.waiting.settle(self.file.mapping(), self.gfp)
    }

    /// Accounts for `pages` more pages, and for more of those that are expected.
    #[cold]
    fn account(&mut self, pages: usize) -> Result {
        let wanted = self.expected.min(ACCOUNT_BATCH).max(pages);
        // SAFETY: The inode exists. The number is small and positive.
        to_result(unsafe {
            bindings::shmem_inode_acct_blocks(self.file.inode().as_ptr(), wanted as isize)
        })?;
        self.accounted += wanted;
        self.credit += wanted;
        Ok(())
    }
}

impl Drop for Filler<'_> {
    fn drop(&mut self) {
        // SAFETY: The inode exists. So many pages were accounted for; the callee gives back what is
        // more than the file holds.
        unsafe {
            bindings::shmem_recalc_inode(self.file.inode().as_ptr(), self.accounted as isize, 0)
        };
    }
}

/// Folios on their way into a file.
///
/// # Invariants
///
/// The first `len` folios are locked, have an index, and one reference each, which belongs to this
/// object.
struct Unsettled {
    folios: [*mut bindings::folio; FILL_BATCH],
    len: usize,
}

impl Unsettled {
    fn new() -> Self {
        Self {
            folios: [ptr::null_mut(); FILL_BATCH],
            len: 0,
        }
    }

    /// Takes a folio of which there is one reference. False if there is no room for another.
    #[inline]
    fn push(&mut self, folio: OwnedFolio, index: u64, uptodate: bool) -> bool {
        let Some(slot) = self.folios.get_mut(self.len) else {
            return false;
        };
        let mut set = LOCKED | SWAPBACKED | DIRTY;

        if uptodate {
            set |= UPTODATE;
        }
        let large = folio.order() > 0;
        let raw = folio.into_raw();
        // SAFETY: The folio exists and nobody else knows it, so that plain accesses do, as in
        // `__folio_set_locked()`. That the file's tree publishes it with a barrier later orders
        // this, and the contents, before what other CPUs see.
        unsafe {
            *flags_ptr(raw) |= set;
            (*raw)
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_2
                .index = index as usize;
            if large {
                bindings::lu_folio_set_rmappable(raw);
            }
        }
        // INVARIANT: Just made so.
        *slot = raw;
        self.len += 1;
        self.len < FILL_BATCH
    }

    /// Puts all folios into a file, up to the first that fails. Those behind it are freed.
    fn settle(
        &mut self,
        mapping: NonNull<bindings::address_space>,
        gfp: bindings::gfp_t,
    ) -> Result {
        let mut error = 0;
        // SAFETY: By the type invariant all of them are locked and in no file, and the filler's
        // callers give them in ascending order. The mapping exists. The file's references are added
        // by the callee.
        let added = unsafe {
            bindings::lu_add_to_page_cache(
                mapping.as_ptr(),
                self.folios.as_mut_ptr(),
                self.len as u32,
                gfp,
                &mut error,
            )
        };

        for folio in self.folios.iter().take(added as usize) {
            // SAFETY: The folio is in a file now, which makes it one for the lists of reclaim.
            unsafe { bindings::folio_add_lru(*folio) };
        }
        self.release();
        to_result(error)
    }

    /// Unlocks all folios and puts their references.
    fn release(&mut self) {
        for folio in self.folios.iter().take(self.len) {
            // SAFETY: By the type invariant it is locked, and there is a reference to put.
            unsafe {
                bindings::folio_unlock(*folio);
                bindings::lu_folio_put(*folio);
            }
        }
        self.len = 0;
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.release();
    }
}
