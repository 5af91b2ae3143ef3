// SPDX-License-Identifier: GPL-2.0

//! Pages of blocks that have lost their mark, on their way to their owner.

use core::mem;
use core::ptr::NonNull;

use super::bindings;
use super::page;
use super::page::zone_of;
use super::page::OwnedFolio;

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

/// The pages of a block that has just lost its mark: nobody's, until made live.
///
/// # Invariants
///
/// `1 << order` pages from `page` on, aligned to their size and in one zone, belong to this object.
#[must_use = "pages that are not made live are lost until the next boot"]
pub(crate) struct TakenPages {
    page: NonNull<bindings::page>,
    order: u32,
}

impl TakenPages {
    /// # Safety
    ///
    /// `page` begins a block of `1 << order` pages, aligned to its size and in one zone, or several that
    /// make it up, whose marks the caller has taken away.
    #[inline]
    pub(super) unsafe fn new(page: NonNull<bindings::page>, order: u32) -> Self {
        // INVARIANT: Who takes the marks away has the pages for himself.
        Self { page, order }
    }

    /// Makes the block one folio with one reference.
    #[inline]
    pub(crate) fn into_folio(self, managed: &mut ManagedPages) -> OwnedFolio {
        managed.add(self.page, 1 << self.order);
        // SAFETY: By the type invariant the pages are ours alone.
        unsafe { bindings::lu_folio_make_live(self.page.as_ptr(), self.order) };
        // SAFETY: The call above made a folio with one reference.
        unsafe { OwnedFolio::from_raw(self.page.cast()) }
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

    /// Gives the block to the page allocator, in pieces that it can take.
    #[inline]
    pub(crate) fn free(self, managed: &mut ManagedPages) {
        if self.order > page::max_order() {
            return drop(self.split(page::max_order(), managed));
        }
        managed.add(self.page, 1 << self.order);
        // SAFETY: By the type invariant the pages are ours alone.
        unsafe { bindings::lu_free_reserved_block(self.page.as_ptr(), self.order) };
    }

    /// Makes each page of the block a live page of order 0 with one reference.
    pub(crate) fn into_pages(self) -> LivePages {
        // SAFETY: By the type invariant the pages are ours alone.
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

    /// The first of them.
    pub(super) fn first(&self) -> *mut bindings::page {
        self.first.as_ptr()
    }

    /// Gives the references up to C.
    pub(crate) fn into_raw(self) {
        mem::forget(self);
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
