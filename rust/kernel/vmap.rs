// SPDX-License-Identifier: GPL-2.0

//! vmalloc areas: looking at the pages of one, and making one from pages.
//!
//! C counterpart: `mm/vmalloc.c`.

use core::mem;
use core::ptr::NonNull;

use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::PAGE_SHIFT;

use super::bindings;
use super::direct_map;

/// The area was made by `vmalloc()`.
pub(crate) const VM_ALLOC: usize = bindings::LU_VM_ALLOC;
/// The area may be mapped by huge pages.
pub(crate) const VM_ALLOW_HUGE_VMAP: usize = bindings::LU_VM_ALLOW_HUGE_VMAP;

/// An area that its owner keeps for as long as this exists.
pub(crate) struct Area<'a>(&'a bindings::vm_struct);

impl<'a> Area<'a> {
    /// Looks for the area that begins at `ptr`.
    ///
    /// # Safety
    ///
    /// If there is an area at `ptr`, its owner keeps it for `'a`.
    pub(crate) unsafe fn find(ptr: *const c_void) -> Option<Self> {
        // SAFETY: The function takes any address.
        let area = NonNull::new(unsafe { bindings::find_vm_area(ptr) })?;
        // SAFETY: By the caller's promise.
        Some(Self(unsafe { area.as_ref() }))
    }

    /// `VM_*`.
    pub(crate) fn flags(&self) -> usize {
        self.0.flags
    }

    /// Order of the blocks that the area is made of.
    pub(crate) fn order(&self) -> u32 {
        // SAFETY: The area exists.
        unsafe { bindings::get_vm_area_page_order(core::ptr::from_ref(self.0).cast_mut()) }
    }

    /// Length in pages.
    pub(crate) fn len(&self) -> usize {
        self.0.nr_pages
    }

    /// The frames behind the area, in the order in which they are mapped.
    pub(crate) fn pages(&self) -> impl Iterator<Item = Pfn> + '_ {
        let pages: &[*mut bindings::page] = if self.0.pages.is_null() {
            &[]
        } else {
            // SAFETY: The area has an array with as many pages.
            unsafe { core::slice::from_raw_parts(self.0.pages, self.0.nr_pages) }
        };
        pages.iter().map(|page| direct_map::pfn_of(*page))
    }
}

/// An array of live pages, each with one reference, on its way to become an area.
///
/// # Invariants
///
/// The first `len` slots of `array`, which has room for `capacity`, point at pages of which one
/// reference belongs to this object.
pub(crate) struct PageArray {
    array: NonNull<*mut bindings::page>,
    capacity: usize,
    len: usize,
}

impl PageArray {
    /// Allocates an array for `capacity` pages. May sleep.
    pub(crate) fn new(capacity: usize) -> Result<Self> {
        // SAFETY: No preconditions.
        let array = unsafe { bindings::lu_page_array_alloc(capacity) };
        Ok(Self {
            array: NonNull::new(array).ok_or(ENOMEM)?,
            capacity,
            len: 0,
        })
    }

    /// Number of pages so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes the live pages of a restored block over. `EINVAL` if there is no room: then they are
    /// lost until the next boot.
    pub(crate) fn push_block(&mut self, pages: super::taken::LivePages) -> Result {
        let count = pages.len();
        if self.capacity - self.len < count {
            return Err(EINVAL);
        }
        let first = pages.into_raw();
        for index in 0..count {
            // SAFETY: There is room, checked above, and the block has so many pages.
            // INVARIANT: The references come with the block.
            unsafe {
                self.array
                    .as_ptr()
                    .add(self.len + index)
                    .write(first.add(index))
            };
        }
        self.len += count;
        Ok(())
    }

    /// Maps the pages, `1 << order` at a time. The array goes with them.
    ///
    /// `ENOMEM` if there is no address space or no memory for page tables.
    pub(crate) fn map(self, order: u32, flags: usize) -> Result<MappedPages> {
        let shift = PAGE_SHIFT + order;
        let size = self.len << PAGE_SHIFT;
        // SAFETY: No preconditions beyond sane numbers, which the callee checks.
        let area = unsafe { bindings::lu_vm_area_alloc(size, shift, flags) };
        let area = NonNull::new(area).ok_or(ENOMEM)?;
        // SAFETY: The area is new and of that size, the array has `len` pages. On success both
        // belong to the area, on failure to us.
        let address = unsafe {
            bindings::lu_vmap_restored(area.as_ptr(), self.array.as_ptr(), self.len as u32, shift)
        };
        match NonNull::new(address) {
            Some(address) => {
                let len = self.len << PAGE_SHIFT;
                mem::forget(self);
                // INVARIANT: The new area is ours.
                Ok(MappedPages {
                    address: address.cast(),
                    len,
                })
            }
            None => {
                // SAFETY: The area is new and nothing is mapped in it.
                unsafe { bindings::free_vm_area(area.as_ptr()) };
                Err(ENOMEM)
            }
        }
    }
}

impl Drop for PageArray {
    fn drop(&mut self) {
        for index in 0..self.len {
            // SAFETY: By the type invariant the slot has a page of order 0 with a reference to put.
            unsafe { bindings::lu_folio_put((*self.array.as_ptr().add(index)).cast()) };
        }
        // SAFETY: The array came from `lu_page_array_alloc`.
        unsafe { bindings::lu_page_array_free(self.array.as_ptr()) };
    }
}

/// An area that was made from pages; dropping it frees both.
///
/// # Invariants
///
/// `address` is the start of an area of `len` bytes that belongs to this object.
pub(crate) struct MappedPages {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: The area is plain memory that is mapped for every CPU.
unsafe impl Send for MappedPages {}
// SAFETY: Shared access is read-only.
unsafe impl Sync for MappedPages {}

impl MappedPages {
    /// Gives the area up to C.
    pub(crate) fn into_raw(self) -> *mut c_void {
        let raw = self.address.as_ptr().cast();
        mem::forget(self);
        raw
    }
}

impl core::ops::Deref for MappedPages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: By the type invariant.
        unsafe { core::slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }
}

impl Drop for MappedPages {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the area is ours to free.
        unsafe { bindings::vfree(self.address.as_ptr().cast()) };
    }
}
