// SPDX-License-Identifier: GPL-2.0

//! The direct map: all RAM at a fixed offset in the kernel's address space.
//!
//! The translation is done here rather than by a call into C, because it sits in the innermost
//! loops of preserving and ingesting.
//!
//! C counterpart: `phys_to_virt()`, `virt_to_phys()`.

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;

use super::bindings;

/// Where the direct map shows `phys`. Only arithmetic: the result may be read or written only if
/// there is RAM at `phys` and the caller has a right to it.
#[inline(always)]
pub(crate) fn address_of(phys: PhysAddr) -> *mut u8 {
    (phys.get() as usize).wrapping_add(offset()) as *mut u8
}

/// The physical address that the direct map shows at `virt`, which must lie in it (and not, for
/// example, in the vmalloc area or the kernel's image).
#[inline(always)]
pub(crate) fn phys_of<T>(virt: *const T) -> PhysAddr {
    PhysAddr::new(untagged(virt as usize).wrapping_sub(offset()) as u64)
}

/// The address without the tag that KASAN put into its highest byte.
#[cfg(any(CONFIG_KASAN_SW_TAGS, CONFIG_KASAN_HW_TAGS))]
#[inline(always)]
fn untagged(address: usize) -> usize {
    address | 0xff << 56
}

#[cfg(not(any(CONFIG_KASAN_SW_TAGS, CONFIG_KASAN_HW_TAGS)))]
#[inline(always)]
fn untagged(address: usize) -> usize {
    address
}

/// Difference between a virtual address of the direct map and the physical address behind it.
#[cfg(CONFIG_X86_64)]
#[inline(always)]
fn offset() -> usize {
    // SAFETY: Set once in early assembly or by KASLR, before any Rust code runs.
    unsafe { bindings::page_offset_base }
}

/// Difference between a virtual address of the direct map and the physical address behind it.
#[cfg(CONFIG_ARM64)]
#[inline(always)]
fn offset() -> usize {
    // SAFETY: Set once in early setup, before any Rust code of this directory runs.
    let phys_offset = unsafe { bindings::memstart_addr };
    bindings::LU_PAGE_OFFSET.wrapping_sub(phys_offset as usize)
}

/// The page behind the last one that is memory.
pub(crate) fn end() -> Pfn {
    // SAFETY: A number that changes when memory is added; any value of it will do.
    Pfn::new(unsafe { core::ptr::addr_of!(bindings::max_pfn).read_volatile() } as u64)
}

/// The `struct page` of `pfn`. Only arithmetic: it may be touched only if it exists.
#[inline(always)]
pub(crate) fn page_of(pfn: Pfn) -> *mut bindings::page {
    vmemmap().wrapping_add(pfn.get() as usize)
}

/// The frame that `page`, a pointer into the memory map, stands for.
#[inline(always)]
pub(crate) fn pfn_of(page: *const bindings::page) -> Pfn {
    let bytes = (page as usize).wrapping_sub(vmemmap() as usize);
    Pfn::new((bytes / core::mem::size_of::<bindings::page>()) as u64)
}

#[cfg(CONFIG_X86_64)]
#[inline(always)]
fn vmemmap() -> *mut bindings::page {
    // SAFETY: Set once in early assembly or by KASLR, before any Rust code runs.
    unsafe { bindings::vmemmap_base as *mut bindings::page }
}

#[cfg(CONFIG_ARM64)]
#[inline(always)]
fn vmemmap() -> *mut bindings::page {
    // SAFETY: Set once in early setup, before any Rust code of this directory runs.
    let start = unsafe { bindings::memstart_addr };
    // KASLR may make it negative, so the sign has to stay.
    let first_pfn = (start >> crate::abi::PAGE_SHIFT) as usize;
    (bindings::LU_VMEMMAP_START as *mut bindings::page).wrapping_sub(first_pfn)
}
