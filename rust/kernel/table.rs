// SPDX-License-Identifier: GPL-2.0

//! Memory for tables that the next kernel is to read.
//!
//! Most tables are short: a single page needs no address space of its own, which takes longer to
//! make than a table of a few entries to fill. What grows beyond that moves to the vmalloc area.

use core::alloc::Layout;
use core::mem;
use core::ptr;
use core::ptr::NonNull;

use kernel::alloc::allocator::Vmalloc;
use kernel::alloc::AllocError;
use kernel::alloc::Allocator;
use kernel::alloc::Flags;
use kernel::alloc::NumaNode;
use kernel::page::Page;
use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::PAGE_SIZE;

use super::bindings;
use super::direct_map;
use super::vmap;

/// A list in whole pages: one of the page allocator's if that is enough, else an area.
pub(crate) type Table<T> = kernel::alloc::Vec<T, Pages>;

/// Gives out whole pages: one in the direct map, of any node, or an area of several.
///
/// A page is zeroed when it is allocated, if at all: growing within it leaves it as it is.
pub(crate) struct Pages;

/// Whether what is of this size is in a page of its own.
const fn is_page(size: usize) -> bool {
    size <= PAGE_SIZE
}

/// What stands for memory of no size.
fn dangling(layout: Layout) -> NonNull<u8> {
    // Alignments are not zero.
    NonNull::new(ptr::without_provenance_mut(layout.align())).unwrap_or(NonNull::dangling())
}

/// Allocates a page.
fn new_page(flags: Flags) -> Result<NonNull<u8>, AllocError> {
    let page = Page::alloc_page(flags)?;
    let pfn = direct_map::pfn_of(page.as_ptr());
    let phys = pfn.phys().ok_or(AllocError)?;

    mem::forget(page);
    NonNull::new(direct_map::address_of(phys)).ok_or(AllocError)
}

/// Frees a page.
///
/// # Safety
///
/// `page` came from [`new_page`] and is not used any more.
unsafe fn free_page(page: NonNull<u8>) {
    let pfn = direct_map::phys_of(page.as_ptr()).pfn();

    // SAFETY: The page was allocated as one of order 0, and is the caller's.
    unsafe { bindings::__free_pages(direct_map::page_of(pfn), 0) };
}

// SAFETY: Memory is valid until it is freed here, and what it contains goes along when it moves:
// as much as the old and the new size have in common. Layouts tell by their sizes alone which of the
// two kinds of memory is behind them, so that those of the call before find what that has made. Both
// kinds are aligned to a page, and more is refused.
unsafe impl Allocator for Pages {
    const MIN_ALIGN: usize = PAGE_SIZE;

    unsafe fn realloc(
        ptr: Option<NonNull<u8>>,
        layout: Layout,
        old_layout: Layout,
        flags: Flags,
        nid: NumaNode,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let old = ptr.filter(|_| old_layout.size() != 0);

        if layout.align() > PAGE_SIZE {
            return Err(AllocError);
        }
        if let Some(old) = old {
            if !is_page(layout.size()) && !is_page(old_layout.size()) {
                // SAFETY: The memory is the other allocator's, the rest is the caller's promise.
                return unsafe { Vmalloc::realloc(Some(old), layout, old_layout, flags, nid) };
            }
            if layout.size() != 0 && is_page(layout.size()) && is_page(old_layout.size()) {
                return Ok(NonNull::slice_from_raw_parts(old, layout.size()));
            }
        }
        let new = match layout.size() {
            0 => NonNull::slice_from_raw_parts(dangling(layout), 0),
            size if is_page(size) => NonNull::slice_from_raw_parts(new_page(flags)?, size),
            _ => Vmalloc::alloc(layout, flags, nid)?,
        };
        if let Some(old) = old {
            let common = layout.size().min(old_layout.size());

            // SAFETY: Both are at least that long, and different memory.
            unsafe { old.copy_to_nonoverlapping(new.cast(), common) };
            match is_page(old_layout.size()) {
                // SAFETY: Memory of such a layout is a page, which the caller has given up.
                true => unsafe { free_page(old) },
                // SAFETY: Memory of other layouts is the other allocator's.
                false => unsafe { Vmalloc::free(old, old_layout) },
            }
        }
        Ok(new)
    }
}

/// Where a table lies. Its owner keeps it there meanwhile.
pub(crate) enum Place<'a> {
    /// In this frame.
    Page(Pfn),
    /// In this area.
    Area(vmap::Area<'a>),
}

impl<'a> Place<'a> {
    /// Looks where `table` lies; [`None`] if it has no memory.
    pub(crate) fn of<T>(table: &'a Table<T>) -> Option<Self> {
        let start: *const T = table.as_ptr();

        match table.capacity() * mem::size_of::<T>() {
            0 => None,
            size if is_page(size) => Some(Self::Page(direct_map::phys_of(start).pfn())),
            // SAFETY: The table owns its area for `'a`.
            _ => unsafe { vmap::Area::find(start.cast()) }.map(Self::Area),
        }
    }
}

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
#[path = "table_tests.rs"]
mod tests;
