// SPDX-License-Identifier: GPL-2.0

//! Folios, and the mark that says that one waits for its owner in a new kernel.
//!
//! C counterpart: `struct folio`, `struct page`.

use core::mem;
use core::ptr;
use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::Full;
use kernel::sync::atomic::Relaxed;
use kernel::types::Opaque;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::PAGE_SHIFT;
use crate::abi::PAGE_SIZE;

use super::bindings;
use super::direct_map;

/// A folio that somebody holds a reference to.
///
/// # Invariants
///
/// A reference to this type points at the head page of a folio that stays one for as long as
/// the reference lives.
#[repr(transparent)]
pub(crate) struct Folio(Opaque<bindings::folio>);

impl Folio {
    /// Borrows a folio from C.
    ///
    /// # Safety
    ///
    /// `folio` points at a folio, which keeps at least one reference for `'a`.
    #[inline]
    pub(crate) unsafe fn from_ptr<'a>(folio: *const bindings::folio) -> &'a Self {
        // INVARIANT: By the caller's promise.
        // SAFETY: The pointer is valid for `'a`, and the type is transparent.
        unsafe { &*folio.cast() }
    }

    /// The C folio.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::folio {
        self.0.get()
    }

    #[inline]
    fn head(&self) -> *mut bindings::page {
        self.0.get().cast()
    }

    /// First page frame of the folio.
    #[inline]
    pub(crate) fn pfn(&self) -> Pfn {
        direct_map::pfn_of(self.head())
    }

    /// Binary logarithm of the number of pages.
    #[inline]
    pub(crate) fn order(&self) -> u32 {
        // SAFETY: By the type invariant the head page exists. Flags are changed by atomic
        // operations; that for large folios does not change while a reference is held.
        let flags = unsafe { ptr::read_volatile(&raw const (*self.head()).flags.f) };
        if flags & (1 << bindings::pageflags_PG_head) == 0 {
            return 0;
        }
        // SAFETY: A large folio has a second page, whose flags hold the order in the low byte.
        let second = unsafe { ptr::read_volatile(&raw const (*self.head().add(1)).flags.f) };
        (second & 0xff) as u32
    }

    /// NUMA node.
    #[inline]
    pub(super) fn node(&self) -> usize {
        // SAFETY: By the type invariant the head page exists. The bits of the node do not change.
        let flags = unsafe { ptr::read_volatile(&raw const (*self.head()).flags.f) };
        flags >> bindings::LU_NODES_PGSHIFT & bindings::LU_NODES_MASK
    }

    /// Length in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        PAGE_SIZE << self.order()
    }

    /// Physical address of the first byte.
    #[inline]
    pub(crate) fn phys(&self) -> PhysAddr {
        // A folio that exists has an address.
        PhysAddr::new(self.pfn().get() << PAGE_SHIFT)
    }
}

/// One reference to a folio; dropping it puts the reference.
///
/// # Invariants
///
/// `0` points at a folio and one of its references belongs to this object.
pub(crate) struct OwnedFolio(NonNull<bindings::folio>);

// SAFETY: References to folios may be put on any CPU, in any context that may free pages.
unsafe impl Send for OwnedFolio {}
// SAFETY: `&OwnedFolio` only gives `&Folio`, whose methods read what does not change.
unsafe impl Sync for OwnedFolio {}

impl OwnedFolio {
    /// Allocates a zeroed folio of `1 << order` pages. May sleep.
    ///
    /// C counterpart: `folio_alloc(GFP_KERNEL | __GFP_ZERO, order)`.
    pub(crate) fn new_zeroed(order: u32) -> Result<Self> {
        // SAFETY: No preconditions; an order above the limit gives NULL.
        let folio = unsafe { bindings::lu_folio_alloc_zeroed(order) };
        // INVARIANT: A new folio comes with one reference.
        NonNull::new(folio).map(Self).ok_or(ENOMEM)
    }

    /// Gives the reference up, to be taken back by [`OwnedFolio::reclaim`] or never.
    pub(crate) fn leak(self) -> PhysAddr {
        let phys = self.phys();
        private_of(self.0.cast()).store(mark_of(LEAKED, self.order()), Relaxed);
        mem::forget(self);
        phys
    }

    /// Takes a reference back that [`OwnedFolio::leak`] gave up; [`None`] if there is none, or
    /// somebody else has taken it.
    pub(crate) fn reclaim(phys: PhysAddr) -> Option<Self> {
        if !phys.is_aligned(PAGE_SHIFT) {
            return None;
        }
        // SAFETY: The function takes any number and gives NULL where there is no page.
        let page = NonNull::new(unsafe { bindings::lu_online_page(phys.pfn().get() as usize) })?;
        let private = private_of(page);
        let old = private.load(Relaxed);

        if old as u64 >> 32 != LEAKED || private.cmpxchg(old, 0, Full).is_err() {
            return None;
        }
        // INVARIANT: The mark stood for a reference, and only who removes it gets it.
        Some(Self(page.cast()))
    }

    /// The memory of the folio.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: The folio is in the direct map.
        unsafe { core::slice::from_raw_parts(direct_map::address_of(self.phys()), self.size()) }
    }

    /// The memory of the folio, to be written to.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: As above. The users of this type do not share folios that they write to.
        unsafe { core::slice::from_raw_parts_mut(direct_map::address_of(self.phys()), self.size()) }
    }

    /// Gives the reference up to C.
    pub(crate) fn into_raw(self) -> *mut bindings::folio {
        let raw = self.0.as_ptr();
        mem::forget(self);
        raw
    }
}

impl core::ops::Deref for OwnedFolio {
    type Target = Folio;

    #[inline]
    fn deref(&self) -> &Folio {
        // SAFETY: By the type invariant there is a folio with a reference for as long as `self`.
        unsafe { Folio::from_ptr(self.0.as_ptr()) }
    }
}

impl Drop for OwnedFolio {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours to put.
        unsafe { bindings::lu_folio_put(self.0.as_ptr()) };
    }
}

/// The high half of `page->private` of the first page of a preserved block: `KHOP`.
const PRESERVED: u64 = 0x4b48_4f50;
/// The same while a [`Handed`](crate::kho::Handed) has a claim on the block: `KHOC`.
const CLAIMED: u64 = 0x4b48_4f43;

/// The same for memory of this kernel that was given up to the next one, and may be taken back as
/// long as there is no next one: `KHOL`.
const LEAKED: u64 = 0x4b48_4f4c;

const fn mark_of(magic: u64, order: u32) -> usize {
    (magic << 32 | order as u64) as usize
}

/// The first page of a block that the previous kernel preserved and nobody has restored.
///
/// `page->private` of that page says so, and of what order the block is. Taking the mark away is
/// atomic: of two who want the same block only one gets it.
#[derive(Clone, Copy)]
pub(crate) struct MarkedPage {
    page: NonNull<bindings::page>,
    order: u32,
}

/// Binary logarithm of the pages of which all are online, or none is, in boot memory.
const SUBSECTION_ORDER: u32 = 21 - PAGE_SHIFT;

/// Looks for marks. Remembers where there are pages, so that neighbours are found quickly.
///
/// # Invariants
///
/// There is a `struct page` for each frame of the subsection number `online`, unless it is
/// [`u64::MAX`].
pub(crate) struct Marks {
    online: u64,
}

impl Marks {
    #[inline]
    pub(crate) fn new() -> Self {
        // INVARIANT: Nothing is known.
        Self { online: u64::MAX }
    }

    /// The page at `pfn`, which may be any number at all.
    #[inline]
    fn page(&mut self, pfn: Pfn) -> Option<NonNull<bindings::page>> {
        if pfn.get() >> SUBSECTION_ORDER != self.online {
            // SAFETY: The function takes any number and gives NULL where there is no page.
            NonNull::new(unsafe { bindings::lu_online_page(pfn.get() as usize) })?;
            // INVARIANT: The memory map comes in whole subsections.
            self.online = pfn.get() >> SUBSECTION_ORDER;
        }
        NonNull::new(direct_map::page_of(pfn))
    }

    /// Looks for the mark on the page at `pfn`, which may be any number at all.
    #[inline]
    pub(crate) fn find(&mut self, pfn: Pfn) -> Option<MarkedPage> {
        let page = self.page(pfn)?;
        let private = private_of(page).load(Relaxed) as u64;

        if private >> 32 != PRESERVED {
            return None;
        }
        Some(MarkedPage {
            page,
            order: private as u32,
        })
    }

    /// Takes the marks of blocks of `block_order` away that make up `1 << order` pages from `pfn` on,
    /// which are aligned to their size. All of them or none.
    ///
    /// [`None`] also if they do not lie in one zone of the page allocator.
    pub(crate) fn take(&mut self, pfn: Pfn, block_order: u32, order: u32) -> Option<TakenPages> {
        if order < block_order || !pfn.is_aligned(order) {
            return None;
        }
        let count = 1u64.checked_shl(order - block_order)?;
        let first = self.page(pfn)?;
        let mut taken = 0;

        while taken < count {
            let block = Pfn::new(pfn.get() | taken << block_order);
            match self.find(block) {
                Some(mark)
                    if mark.order == block_order
                        && (taken == 0 || zone_of(mark.page) == zone_of(first))
                        && mark.exchange(mark_of(PRESERVED, block_order), 0) => {}
                _ => break,
            }
            taken += 1;
        }
        if taken == count {
            return Some(TakenPages { page: first, order });
        }
        for index in 0..taken {
            // The block is ours alone, and waits for another owner from now on.
            if let Some(page) = self.page(Pfn::new(pfn.get() | index << block_order)) {
                private_of(page).store(mark_of(PRESERVED, block_order), Relaxed);
            }
        }
        None
    }
}

/// Number of the zone that has `page`, on its node: two pages of a zone have the same.
#[inline]
fn zone_of(page: NonNull<bindings::page>) -> usize {
    // SAFETY: The page exists. The bits of zone and node do not change.
    let flags = unsafe { (&raw const (*page.as_ptr()).flags.f).read_volatile() };
    flags >> bindings::LU_ZONEID_PGSHIFT & bindings::LU_ZONEID_MASK
}

/// Pages that were taken into use, of which their zone has yet to be told.
///
/// Telling it recomputes the reserves of all zones, so it is done once for many pages.
pub(crate) struct ManagedPages {
    /// Some page of the zone.
    sample: Option<NonNull<bindings::page>>,
    count: usize,
}

impl ManagedPages {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            sample: None,
            count: 0,
        }
    }

    #[inline]
    pub(super) fn add(&mut self, page: NonNull<bindings::page>, count: usize) {
        match self.sample {
            Some(sample) if zone_of(sample) == zone_of(page) => {}
            _ => {
                self.flush();
                self.sample = Some(page);
            }
        }
        self.count += count;
    }

    fn flush(&mut self) {
        if let Some(sample) = self.sample.take() {
            // SAFETY: The page exists; its zone is all that matters.
            unsafe { bindings::lu_adjust_managed_pages(sample.as_ptr(), self.count) };
            self.count = 0;
        }
    }
}

impl Drop for ManagedPages {
    fn drop(&mut self) {
        self.flush();
    }
}

impl MarkedPage {
    /// Looks for the mark on the page at `pfn`, which may be any number at all.
    #[inline]
    pub(crate) fn find(pfn: Pfn) -> Option<Self> {
        Marks::new().find(pfn)
    }

    /// Whether somebody has a claim on the block that begins at `pfn`.
    pub(crate) fn is_claimed(pfn: Pfn) -> bool {
        // SAFETY: The function takes any number and gives NULL where there is no page.
        let page = NonNull::new(unsafe { bindings::lu_online_page(pfn.get() as usize) });

        page.is_some_and(|page| private_of(page).load(Relaxed) as u64 >> 32 == CLAIMED)
    }

    /// Order of the block.
    pub(crate) fn order(&self) -> u32 {
        self.order
    }

    /// The 64-bit word number `index` of the block's first page, as it is now.
    pub(crate) fn word(&self, index: usize) -> Option<u64> {
        if index >= PAGE_SIZE / 8 {
            return None;
        }
        let phys = PhysAddr::new(direct_map::pfn_of(self.page.as_ptr()).get() << PAGE_SHIFT);
        // SAFETY: There is RAM in the direct map, and the word is in the page. Should someone
        // restore the block meanwhile, the volatile read gives some value.
        Some(unsafe {
            direct_map::address_of(phys)
                .cast::<u64>()
                .add(index)
                .read_volatile()
        })
    }

    /// Takes the mark away. Who succeeds has the block's pages for himself.
    #[inline]
    pub(crate) fn take(self) -> Option<TakenPages> {
        self.exchange(mark_of(PRESERVED, self.order), 0)
            .then_some(TakenPages {
                page: self.page,
                order: self.order,
            })
    }

    /// Replaces the mark by that of a claim.
    pub(crate) fn claim(self) -> Option<ClaimedPages> {
        self.exchange(mark_of(PRESERVED, self.order), mark_of(CLAIMED, self.order))
            .then_some(ClaimedPages(self))
    }

    fn exchange(&self, old: usize, new: usize) -> bool {
        private_of(self.page).cmpxchg(old, new, Full).is_ok()
    }

    /// Leaves the mark on the page at `pfn`.
    ///
    /// # Safety
    ///
    /// There is an initialised `struct page` for `pfn`, and nobody else uses the memory of the
    /// block of `1 << order` pages that begins there.
    #[inline]
    pub(crate) unsafe fn leave(pfn: Pfn, order: u32) {
        // SAFETY: By the caller's promise the page exists and is nobody's.
        unsafe { write_private(direct_map::page_of(pfn), mark_of(PRESERVED, order)) };
    }
}

/// `page->private` as an atomic variable.
#[inline]
fn private_of<'a>(page: NonNull<bindings::page>) -> &'a Atomic<usize> {
    // SAFETY: `page` points into the memory map, which is never freed while a page is online. All
    // of this directory's accesses to the field of a page that nobody owns are atomic.
    unsafe { Atomic::from_ptr(private_ptr(page.as_ptr())) }
}

#[inline]
fn private_ptr(page: *mut bindings::page) -> *mut usize {
    // SAFETY: Only computes the address of a field; `page` is in bounds of the memory map.
    unsafe { (&raw mut (*page).__bindgen_anon_1.__bindgen_anon_1.private).cast() }
}

/// # Safety
///
/// `page` points at an initialised `struct page` that nobody else uses.
#[inline]
unsafe fn write_private(page: *mut bindings::page, value: usize) {
    // SAFETY: By the caller's promise.
    unsafe { private_ptr(page).write(value) };
}

/// A block whose mark was exchanged for that of a claim; the memory is nobody's yet, and may be
/// read.
///
/// # Invariants
///
/// `page->private` of the block's first page is `CLAIMED`, set by the maker of this object.
pub(crate) struct ClaimedPages(MarkedPage);

// SAFETY: The claim is not bound to a thread.
unsafe impl Send for ClaimedPages {}
// SAFETY: `&ClaimedPages` only gives memory to read.
unsafe impl Sync for ClaimedPages {}

impl ClaimedPages {
    /// First page frame of the block.
    pub(crate) fn pfn(&self) -> Pfn {
        direct_map::pfn_of(self.0.page.as_ptr())
    }

    /// The block's memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        let phys = PhysAddr::new(self.pfn().get() << PAGE_SHIFT);
        // SAFETY: The block is RAM in the direct map. It was preserved, hence reserved at boot, and
        // by the type invariant only the holder of this claim may restore it: nobody writes to it
        // while it is borrowed.
        unsafe {
            core::slice::from_raw_parts(direct_map::address_of(phys), PAGE_SIZE << self.0.order)
        }
    }

    /// Turns the claim into possession of the pages.
    pub(crate) fn take(self) -> TakenPages {
        let taken = TakenPages {
            page: self.0.page,
            order: self.0.order,
        };
        private_of(self.0.page).store(0, Relaxed);
        mem::forget(self);
        taken
    }
}

impl Drop for ClaimedPages {
    fn drop(&mut self) {
        // The block waits for another owner again.
        private_of(self.0.page).store(mark_of(PRESERVED, self.0.order), Relaxed);
    }
}

/// The pages of a block that has just lost its mark: nobody's, until made live.
#[must_use = "pages that are not made live are lost until the next boot"]
pub(crate) struct TakenPages {
    page: NonNull<bindings::page>,
    order: u32,
}

impl TakenPages {
    /// Makes the block one folio with one reference.
    #[inline]
    pub(crate) fn into_folio(self, managed: &mut ManagedPages) -> OwnedFolio {
        managed.add(self.page, 1 << self.order);
        // SAFETY: Taking the mark away made the pages of the block ours alone.
        unsafe { bindings::lu_folio_make_live(self.page.as_ptr(), self.order) };
        // INVARIANT: The call above made a folio with one reference.
        OwnedFolio(self.page.cast())
    }

    /// Makes folios of `order` of the block, each with one reference, or one folio if the block is not
    /// larger than that.
    pub(crate) fn split(self, order: u32, managed: &mut ManagedPages) -> Split<'_> {
        // INVARIANT: The block is nobody else's.
        Split {
            next: self.page,
            left: 1 << self.order.saturating_sub(order),
            order: order.min(self.order),
            managed,
        }
    }

    /// Gives the block to the page allocator, whose largest order is no less than the block's.
    pub(crate) fn free(self, managed: &mut ManagedPages) {
        managed.add(self.page, 1 << self.order);
        // SAFETY: Taking the mark away made the pages of the block ours alone.
        unsafe { bindings::lu_free_reserved_block(self.page.as_ptr(), self.order) };
    }

    /// Makes each page of the block a live page of order 0 with one reference.
    pub(crate) fn into_pages(self) -> LivePages {
        // SAFETY: Taking the mark away made the pages of the block ours alone.
        unsafe { bindings::lu_pages_make_live(self.page.as_ptr(), 1 << self.order) };
        // INVARIANT: The call above gave each page one reference.
        LivePages {
            first: self.page,
            len: 1 << self.order,
        }
    }
}

/// The folios of a block, made as they are asked for. Dropping it frees the others.
///
/// # Invariants
///
/// `left << order` pages from `next` on lost their mark to this object and are nobody's.
pub(crate) struct Split<'a> {
    next: NonNull<bindings::page>,
    left: usize,
    order: u32,
    managed: &'a mut ManagedPages,
}

impl Iterator for Split<'_> {
    type Item = OwnedFolio;

    #[inline]
    fn next(&mut self) -> Option<OwnedFolio> {
        self.left = self.left.checked_sub(1)?;
        let taken = TakenPages {
            page: self.next,
            order: self.order,
        };
        // SAFETY: The memory map has no gap within a block, and goes at least to its end.
        // INVARIANT: What was counted off belongs to `taken`.
        self.next = unsafe { self.next.add(1 << self.order) };
        Some(taken.into_folio(self.managed))
    }
}

impl Drop for Split<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// Consecutive live pages of order 0; dropping them frees them.
///
/// # Invariants
///
/// One reference to each of the `len` pages from `first` on belongs to this object.
pub(crate) struct LivePages {
    first: NonNull<bindings::page>,
    len: usize,
}

impl LivePages {
    /// Number of pages.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Gives the references up to C.
    pub(crate) fn into_raw(self) -> *mut bindings::page {
        let first = self.first.as_ptr();
        mem::forget(self);
        first
    }
}

impl Drop for LivePages {
    fn drop(&mut self) {
        for index in 0..self.len {
            // SAFETY: By the type invariant there is a page with a reference of ours.
            unsafe { bindings::lu_folio_put(self.first.as_ptr().add(index).cast()) };
        }
    }
}

/// NUMA node of a page that exists.
#[inline]
pub(crate) fn node_of(pfn: Pfn) -> i32 {
    // SAFETY: The callee looks the node up; for a frame without a page the result means nothing,
    // and what it reads exists for all frames below the end of memory.
    unsafe { bindings::lu_pfn_to_nid(pfn.get() as usize) }
}

/// The page at `phys`, which a leaked reference keeps.
#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
pub(crate) fn peek(phys: PhysAddr) -> Option<&'static [u8]> {
    // SAFETY: The function takes any number and gives NULL where there is no page.
    let page = NonNull::new(unsafe { bindings::lu_online_page(phys.pfn().get() as usize) })?;

    if private_of(page).load(Relaxed) as u64 >> 32 != LEAKED {
        return None;
    }
    // SAFETY: There is RAM in the direct map, and whoever leaked it does not write to it.
    Some(unsafe { core::slice::from_raw_parts(direct_map::address_of(phys), PAGE_SIZE) })
}

/// The highest order that the page allocator deals in (`MAX_PAGE_ORDER`).
pub(crate) fn max_order() -> u32 {
    // SAFETY: No preconditions.
    unsafe { bindings::lu_max_page_order() }
}
