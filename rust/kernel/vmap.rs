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

/// An area that shows pages which become its own one after the other. All that can fail for want of memory
/// is done before the first of them has to be taken.
///
/// # Invariants
///
/// `array` has `len` slots with the pages that are mapped in `area`, which is ours and has no pages of its own.
/// One reference to each of the first `taken` belongs to this object.
pub(crate) struct NewArea {
    area: NonNull<bindings::vm_struct>,
    array: Array,
    len: usize,
    taken: usize,
}

impl NewArea {
    /// An area of so many pages, those of `frames`, which must exist, `1 << order` of them mapped at a time.
    ///
    /// May sleep. `ENOMEM` if there is no address space, or no memory for the area; `EINVAL` if `frames` are
    /// not as many, which must be at least one.
    pub(crate) fn new(
        pages: usize,
        frames: impl Iterator<Item = Pfn>,
        order: u32,
        flags: usize,
    ) -> Result<Self> {
        // SAFETY: No preconditions.
        let array = NonNull::new(unsafe { bindings::lu_page_array_alloc(pages) }).ok_or(ENOMEM)?;
        let array = Array(array);
        let shift = PAGE_SHIFT + order;

        let mut len = 0;
        for frame in frames.take(pages) {
            // SAFETY: There is room for `pages`.
            unsafe { array.as_ptr().add(len).write(direct_map::page_of(frame)) };
            len += 1;
        }
        if len != pages || pages == 0 {
            return Err(EINVAL);
        }
        // SAFETY: No preconditions beyond sane numbers, which the callee checks.
        let area = unsafe { bindings::lu_vm_area_alloc(len << PAGE_SHIFT, shift, flags) };
        let area = NonNull::new(area).ok_or(ENOMEM)?;
        // INVARIANT: The area is new, the array is full, and nothing was taken.
        let this = Self {
            area,
            array,
            len,
            taken: 0,
        };
        // SAFETY: The area is new and of that size. Whose the pages are matters to who reads them.
        match unsafe { bindings::lu_vm_area_map(area.as_ptr(), this.array.as_ptr(), shift) } {
            0 => Ok(this),
            _ => Err(ENOMEM),
        }
    }

    /// Takes the live pages of a restored block over. `EINVAL` if they are not the next ones; they are freed
    /// then.
    pub(crate) fn take(&mut self, pages: super::taken::LivePages) -> Result {
        let (first, count) = (pages.first(), pages.len());
        // SAFETY: By the type invariant the slot is there and was written.
        let is_next = |at: usize| unsafe { *self.array.as_ptr().add(at) } == first;

        if self.len - self.taken < count || !is_next(self.taken) {
            return Err(EINVAL);
        }
        pages.into_raw();
        // INVARIANT: The references come with the block, whose pages follow each other here, too: frames of an
        // area are those of blocks at least as large.
        self.taken += count;
        Ok(())
    }

    /// Makes an area of it that owns its pages. `EINVAL` if some were not taken; then those that were are
    /// freed.
    pub(crate) fn finish(self) -> Result<MappedPages> {
        if self.taken != self.len {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariant the pages are mapped there, and ours; area and array go with them.
        let address = unsafe {
            bindings::lu_vm_area_complete(self.area.as_ptr(), self.array.as_ptr(), self.len as u32)
        };
        let len = self.len << PAGE_SHIFT;

        mem::forget(self);
        // INVARIANT: The area is ours.
        Ok(MappedPages {
            address: NonNull::new(address.cast()).ok_or(EFAULT)?,
            len,
        })
    }
}

impl Drop for NewArea {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the area is ours, and has no pages that it would free.
        unsafe { bindings::free_vm_area(self.area.as_ptr()) };
        for index in 0..self.taken {
            // SAFETY: By the type invariant the slot has a page of order 0 with a reference to put.
            unsafe { bindings::lu_folio_put((*self.array.as_ptr().add(index)).cast()) };
        }
    }
}

/// An array of pointers to pages, of which it owns none.
struct Array(NonNull<*mut bindings::page>);

impl Array {
    fn as_ptr(&self) -> *mut *mut bindings::page {
        self.0.as_ptr()
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        // SAFETY: The array came from `lu_page_array_alloc`.
        unsafe { bindings::lu_page_array_free(self.0.as_ptr()) };
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
