// SPDX-License-Identifier: GPL-2.0

//! The mark that says that a block waits for its owner in a new kernel.
//!
//! C counterpart: `union kho_page_info` in `page->private`.

use core::mem;
use core::ptr::NonNull;

use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::Full;
use kernel::sync::atomic::Relaxed;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::PAGE_SHIFT;
use crate::abi::PAGE_SIZE;

use super::bindings;
use super::direct_map;
use super::page;
use super::page::zone_of;
use super::taken::TakenPages;

/// The high half of `page->private` of the first page of a preserved block: `KHOP`.
const PRESERVED: u64 = 0x4b48_4f50;
/// The same while a [`Handed`](crate::kho::Handed) has a claim on the block: `KHOC`.
const CLAIMED: u64 = 0x4b48_4f43;

/// The same for memory of this kernel that was given up to the next one, and may be taken back as
/// long as there is no next one: `KHOL`.
pub(super) const LEAKED: u64 = 0x4b48_4f4c;

pub(super) const fn mark_of(magic: u64, order: u32) -> usize {
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

    /// Whether there is memory at `pfn`, which may be any number at all.
    pub(crate) fn is_memory(&mut self, pfn: Pfn) -> bool {
        self.page(pfn).is_some()
    }

    /// Looks for the mark on the page at `pfn`, which may be any number at all.
    #[inline]
    pub(crate) fn find(&mut self, pfn: Pfn) -> Option<MarkedPage> {
        let page = self.page(pfn)?;
        // SAFETY: The page exists. This is an atomic load, which as such would be a call to C.
        let private = unsafe { private_ptr(page.as_ptr()).read_volatile() } as u64;

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
    #[inline]
    pub(crate) fn take(&mut self, pfn: Pfn, block_order: u32, order: u32) -> Option<TakenPages> {
        if order == block_order {
            let mark = self.find(pfn)?;

            return mark.take_as(order);
        }
        self.take_many(pfn, block_order, order)
    }

    fn take_many(&mut self, pfn: Pfn, block_order: u32, order: u32) -> Option<TakenPages> {
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
            // SAFETY: All of the blocks have just lost their marks to us, and are in one zone.
            return Some(unsafe { TakenPages::new(first, order) });
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

impl MarkedPage {
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
        self.take_as(self.order)
    }

    /// The same if the block is of `order`.
    #[inline]
    fn take_as(self, order: u32) -> Option<TakenPages> {
        // Up to that order, zones are aligned.
        if order > page::max_order() && !self.is_in_one_zone(order) {
            return None;
        }
        if !self.exchange(mark_of(PRESERVED, order), 0) {
            return None;
        }
        // SAFETY: The block has just lost its mark to us, and is in one zone.
        Some(unsafe { TakenPages::new(self.page, order) })
    }

    #[cold]
    fn is_in_one_zone(&self, order: u32) -> bool {
        let first = direct_map::pfn_of(self.page.as_ptr());
        let last = Pfn::new(first.get() + (1 << order) - 1);
        // The whole block was found to be RAM.
        NonNull::new(direct_map::page_of(last))
            .is_some_and(|last| zone_of(last) == zone_of(self.page))
    }

    /// Replaces the mark by that of a claim. [`None`] also if the block does not lie in one zone.
    pub(crate) fn claim(self) -> Option<ClaimedPages> {
        if self.order > page::max_order() && !self.is_in_one_zone(self.order) {
            return None;
        }
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
        // SAFETY: By the type invariant the block is ours; the mark goes away below. Whether it is in
        // one zone was looked at when it was claimed.
        let taken = unsafe { TakenPages::new(self.0.page, self.0.order) };
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

/// `page->private` as an atomic variable.
#[inline]
pub(super) fn private_of<'a>(page: NonNull<bindings::page>) -> &'a Atomic<usize> {
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
