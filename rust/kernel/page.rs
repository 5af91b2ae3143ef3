// SPDX-License-Identifier: GPL-2.0

//! Folios.
//!
//! C counterpart: `struct folio`, `struct page`.

use core::mem;
use core::ptr;
use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::sync::atomic::Full;
use kernel::sync::atomic::Relaxed;
use kernel::types::Opaque;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::PAGE_SHIFT;
use crate::abi::PAGE_SIZE;

use super::bindings;
use super::direct_map;
use super::mark::mark_of;
use super::mark::private_of;
use super::mark::LEAKED;

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

    /// The flags of the head page, as they are at this moment.
    #[inline]
    pub(super) fn flags(&self) -> usize {
        // SAFETY: By the type invariant the head page exists. Others change the word by atomic
        // operations.
        unsafe { ptr::read_volatile(&raw const (*self.head()).flags.f) }
    }

    /// Binary logarithm of the number of pages.
    #[inline]
    pub(crate) fn order(&self) -> u32 {
        self.order_by(self.flags())
    }

    /// The same, where the flags are known.
    #[inline]
    pub(super) fn order_by(&self, flags: usize) -> u32 {
        // The flag for large folios does not change while a reference is held.
        if flags & (1 << bindings::pageflags_PG_head) == 0 {
            return 0;
        }
        // SAFETY: A large folio has a second page, whose flags hold the order in the low byte.
        let second = unsafe { ptr::read_volatile(&raw const (*self.head().add(1)).flags.f) };
        (second & 0xff) as u32
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

    /// Takes a reference over.
    ///
    /// # Safety
    ///
    /// `folio` points at a folio, one of whose references the caller gives up.
    #[inline]
    pub(super) unsafe fn from_raw(folio: NonNull<bindings::folio>) -> Self {
        // INVARIANT: By the caller's promise.
        Self(folio)
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

/// NUMA node of a page with these flags.
#[inline]
pub(super) fn node_by(flags: usize) -> usize {
    flags >> bindings::LU_NODES_PGSHIFT & bindings::LU_NODES_MASK
}

/// NUMA node of a page of RAM; what comes out for another frame means nothing.
///
/// C counterpart: `pfn_to_nid()` with `SPARSEMEM_VMEMMAP`.
#[inline]
pub(crate) fn node_of(pfn: Pfn) -> i32 {
    // SAFETY: Callers ask about the first and last frames of blocks of memory that they preserve,
    // or that was reserved: there is RAM, hence a `struct page`. The read does not care for its state.
    let flags = unsafe { (&raw const (*direct_map::page_of(pfn)).flags.f).read_volatile() };
    // A node's number has ten bits at most.
    node_by(flags) as i32
}

/// Number of the zone that has `page`, on its node: two pages of a zone have the same.
#[inline]
pub(super) fn zone_of(page: NonNull<bindings::page>) -> usize {
    // SAFETY: The page exists. The bits of zone and node do not change.
    let flags = unsafe { (&raw const (*page.as_ptr()).flags.f).read_volatile() };
    flags >> bindings::LU_ZONEID_PGSHIFT & bindings::LU_ZONEID_MASK
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
#[inline]
pub(crate) const fn max_order() -> u32 {
    bindings::LU_MAX_PAGE_ORDER
}

/// The highest order of a folio (`MAX_FOLIO_ORDER`).
#[inline]
pub(crate) const fn max_folio_order() -> u32 {
    bindings::LU_MAX_FOLIO_ORDER
}
