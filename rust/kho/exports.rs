// SPDX-License-Identifier: GPL-2.0

//! The entry points of KHO for C: `include/linux/kexec_handover.h`, `include/linux/kho_radix_tree.h`
//! and `kernel/kexec_internal.h`, and what `ffi/kho.c` calls.
//!
//! Each is checked at compile time against its declaration in C, and does no more than to turn
//! pointers into types.

#![allow(
    clippy::missing_safety_doc,
    reason = "each asks for what its declaration in C says"
)]

use core::ptr;
use core::ptr::NonNull;
use core::slice;

use kernel::prelude::*;
use kernel::warn_on;

use crate::abi::addr::PhysAddr;
use crate::abi::kho::Geometry;
use crate::abi::kho::KhoVmalloc;
use crate::abi::PAGE_SHIFT;
use crate::kernel::bindings;
use crate::kernel::c_abi::as_declared;
use crate::kernel::c_abi::to_errno;
use crate::kernel::direct_map;
use crate::kernel::mark::Marks;
use crate::kernel::page::Folio;
use crate::kernel::tree_page;
use crate::kernel::vmap;
use crate::logic::radix::InsertError;
use crate::logic::walk::Step;

use super::early;
use super::incoming;
use super::ingest;
use super::kexec;
use super::outgoing;
use super::outgoing::Batch;
use super::preserved::Preserved;
use super::restore;
use super::scratch;
use super::start;
use super::subtree;
use super::vmalloc;

as_declared!(
    kho_is_enabled,
    is_kho_boot,
    kho_preserve_folio,
    kho_unpreserve_folio,
    kho_preserve_pages,
    kho_unpreserve_pages,
    kho_preserve_vmalloc,
    kho_unpreserve_vmalloc,
    kho_alloc_preserve,
    kho_unpreserve_free,
    kho_restore_free,
    kho_restore_folio,
    kho_restore_pages,
    kho_restore_vmalloc,
    kho_add_subtree,
    kho_remove_subtree,
    kho_retrieve_subtree,
    kho_memory_init,
    kho_memory_init_early,
    kho_populate,
    kho_scratch_overlap,
    kho_radix_add_key,
    kho_radix_del_key,
    kho_radix_walk_tree,
    kho_radix_init_tree,
    kho_radix_destroy_tree,
    kho_locate_mem_hole,
    kho_fill_kimage,
    lu_kho_param_enable,
    lu_kho_param_scratch,
    lu_kho_init,
    lu_kho_out_of_memory,
);

/// See [`incoming::is_enabled`].
#[no_mangle]
extern "C" fn kho_is_enabled() -> bool {
    incoming::is_enabled()
}

/// See [`incoming::is_kho_boot`].
#[no_mangle]
extern "C" fn is_kho_boot() -> bool {
    incoming::is_kho_boot()
}

/// See [`outgoing::preserve_folio`].
#[no_mangle]
unsafe extern "C" fn kho_preserve_folio(folio: *mut bindings::folio) -> c_int {
    // SAFETY: The caller holds a reference to the folio.
    to_errno(outgoing::preserve_folio(unsafe { Folio::from_ptr(folio) }))
}

/// See [`outgoing::unpreserve_folio`].
#[no_mangle]
unsafe extern "C" fn kho_unpreserve_folio(folio: *mut bindings::folio) {
    // SAFETY: The caller holds a reference to the folio.
    outgoing::unpreserve_folio(unsafe { Folio::from_ptr(folio) });
}

/// See [`Batch::preserve_pages`].
#[no_mangle]
unsafe extern "C" fn kho_preserve_pages(page: *mut bindings::page, nr_pages: c_ulong) -> c_int {
    let start = direct_map::pfn_of(page);
    let end = start.checked_add(nr_pages as u64).ok_or(EINVAL);

    to_errno(end.and_then(|end| Batch::begin()?.preserve_pages(start, end)))
}

/// See [`Batch::unpreserve_pages`].
#[no_mangle]
unsafe extern "C" fn kho_unpreserve_pages(page: *mut bindings::page, nr_pages: c_ulong) {
    let start = direct_map::pfn_of(page);

    if let (Some(end), Ok(mut batch)) = (start.checked_add(nr_pages as u64), Batch::begin()) {
        batch.unpreserve_pages(start, end);
    }
}

/// See [`vmalloc::preserve`].
#[no_mangle]
unsafe extern "C" fn kho_preserve_vmalloc(
    address: *mut c_void,
    preservation: *mut bindings::kho_vmalloc,
) -> c_int {
    // SAFETY: The caller owns the area, if there is one.
    let Some(area) = (unsafe { vmap::Area::find(address) }) else {
        return EINVAL.to_errno();
    };
    match vmalloc::preserve(&area) {
        Ok(done) => {
            // SAFETY: The caller wants the descriptor there; its layout is the same. It may be a
            // field of a packed structure.
            unsafe { preservation.cast::<KhoVmalloc>().write_unaligned(done) };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// See [`vmalloc::unpreserve`].
#[no_mangle]
unsafe extern "C" fn kho_unpreserve_vmalloc(preservation: *mut bindings::kho_vmalloc) {
    // SAFETY: The caller's descriptor, perhaps in a packed structure; any bytes are valid.
    vmalloc::unpreserve(&unsafe { preservation.cast::<KhoVmalloc>().read_unaligned() });
}

/// See [`vmalloc::restore`].
#[no_mangle]
unsafe extern "C" fn kho_restore_vmalloc(
    preservation: *const bindings::kho_vmalloc,
) -> *mut c_void {
    // SAFETY: The caller's descriptor, perhaps in a packed structure; any bytes are valid.
    match vmalloc::restore(&unsafe { preservation.cast::<KhoVmalloc>().read_unaligned() }) {
        Ok(pages) => pages.into_raw(),
        Err(_) => ptr::null_mut(),
    }
}

/// See [`Preserved::new`].
#[no_mangle]
extern "C" fn kho_alloc_preserve(size: usize) -> *mut c_void {
    match Preserved::new(size) {
        Ok(memory) => {
            let phys = memory.phys();
            // The folio's only reference goes to the caller, who knows its address.
            memory.into_folio().into_raw();
            direct_map::address_of(phys).cast()
        }
        Err(error) => error.to_ptr(),
    }
}

/// Takes [`kho_alloc_preserve`] back.
#[no_mangle]
unsafe extern "C" fn kho_unpreserve_free(memory: *mut c_void) {
    if memory.is_null() {
        return;
    }
    let page = direct_map::page_of(direct_map::phys_of(memory).pfn());
    // SAFETY: The caller got the memory from `kho_alloc_preserve()`, which made it one folio with
    // one reference.
    unsafe {
        outgoing::unpreserve_folio(Folio::from_ptr(page.cast()));
        bindings::lu_folio_put(page.cast());
    }
}

/// Restores and frees what the previous kernel got from [`kho_alloc_preserve`].
#[no_mangle]
unsafe extern "C" fn kho_restore_free(memory: *mut c_void) {
    if !memory.is_null() {
        drop(restore::restore_folio(direct_map::phys_of(memory)));
    }
}

/// See [`restore::restore_folio`].
#[no_mangle]
extern "C" fn kho_restore_folio(phys: bindings::phys_addr_t) -> *mut bindings::folio {
    restore::restore_folio(PhysAddr::new(phys)).map_or(ptr::null_mut(), |folio| folio.into_raw())
}

/// See [`restore::restore_pages`].
#[no_mangle]
extern "C" fn kho_restore_pages(
    phys: bindings::phys_addr_t,
    nr_pages: c_ulong,
) -> *mut bindings::page {
    let start = PhysAddr::new(phys).pfn();
    let Some(end) = start.checked_add(nr_pages as u64) else {
        return ptr::null_mut();
    };
    let restored = restore::restore_pages(&mut Marks::new(), start, end, |pages| {
        // The references go to the caller, who knows where the pages are.
        pages.into_raw();
        Ok(())
    });
    match restored {
        Ok(()) => direct_map::page_of(start),
        Err(_) => ptr::null_mut(),
    }
}

/// See [`subtree::add_subtree`].
#[no_mangle]
unsafe extern "C" fn kho_add_subtree(name: *const c_char, blob: *mut c_void, size: usize) -> c_int {
    // SAFETY: The caller's string is terminated.
    let name = unsafe { CStr::from_char_ptr(name) };

    to_errno(subtree::add_subtree(name, direct_map::phys_of(blob), size))
}

/// See [`subtree::remove_subtree`].
#[no_mangle]
unsafe extern "C" fn kho_remove_subtree(blob: *mut c_void) {
    subtree::remove_subtree(direct_map::phys_of(blob));
}

/// See [`subtree::retrieve_subtree`].
#[no_mangle]
unsafe extern "C" fn kho_retrieve_subtree(
    name: *const c_char,
    phys: *mut bindings::phys_addr_t,
    size: *mut usize,
) -> c_int {
    // SAFETY: The caller's string is terminated.
    let name = unsafe { CStr::from_char_ptr(name) };

    match subtree::retrieve_subtree(name) {
        Ok(_) if phys.is_null() => EINVAL.to_errno(),
        Ok((blob, len)) => {
            // SAFETY: Not NULL, so that the caller wants the result there.
            unsafe { phys.write(blob.get()) };
            if !size.is_null() {
                // SAFETY: As above.
                unsafe { size.write(len) };
            }
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// See [`scratch::overlaps`].
#[no_mangle]
extern "C" fn kho_scratch_overlap(phys: bindings::phys_addr_t, size: usize) -> bool {
    scratch::overlaps(PhysAddr::new(phys), size as u64)
}

/// See [`early::populate`].
#[no_mangle]
#[link_section = ".init.text"]
extern "C" fn kho_populate(
    fdt_phys: bindings::phys_addr_t,
    fdt_len: u64,
    scratch_phys: bindings::phys_addr_t,
    scratch_len: u64,
) {
    early::populate(
        PhysAddr::new(fdt_phys),
        fdt_len,
        PhysAddr::new(scratch_phys),
        scratch_len,
    );
}

/// See [`early::memory_init_early`].
#[no_mangle]
#[link_section = ".init.text"]
extern "C" fn kho_memory_init_early() {
    early::memory_init_early();
}

/// See [`early::memory_init`].
#[no_mangle]
#[link_section = ".init.text"]
extern "C" fn kho_memory_init() {
    early::memory_init();
}

/// `kho=`.
#[no_mangle]
#[link_section = ".init.text"]
extern "C" fn lu_kho_param_enable(on: bool) -> c_int {
    incoming::set_enabled(on);
    0
}

/// `kho_scratch=`.
#[no_mangle]
#[link_section = ".init.text"]
unsafe extern "C" fn lu_kho_param_scratch(value: *const c_char, len: usize) -> c_int {
    // SAFETY: The caller's string is that long.
    to_errno(scratch::set_spec(unsafe {
        slice::from_raw_parts(value.cast(), len)
    }))
}

/// See [`start::start`].
#[no_mangle]
#[link_section = ".init.text"]
extern "C" fn lu_kho_init() -> c_int {
    to_errno(start::start())
}

/// Body of the thread that calls [`ingest::release_holes`].
pub(super) extern "C" fn lu_kho_release_holes(_: *mut c_void) -> c_int {
    ingest::release_holes();
    0
}

/// Under memory pressure, does at once what the thread would do in its time. The number of pages
/// that this has freed.
#[no_mangle]
extern "C" fn lu_kho_out_of_memory() -> c_ulong {
    ingest::release_holes() as c_ulong
}

/// Tells a kernel image that is being loaded what is handed over to it.
#[no_mangle]
unsafe extern "C" fn kho_fill_kimage(image: *mut bindings::kimage) -> c_int {
    // SAFETY: The caller is loading the image.
    if unsafe { bindings::lu_kimage_is_crash(image) } {
        return 0;
    }
    let Some(ours) = kexec::for_image() else {
        return 0;
    };
    // SAFETY: As above; the array stays and is only read.
    unsafe {
        (*image).kho.fdt = ours.fdt.get();
        bindings::lu_kimage_add_scratch(
            image,
            ours.scratch.as_ptr().cast_mut().cast(),
            size_of_val(ours.scratch),
        )
    }
}

/// Offers the scratch regions to `func` until it takes one. 1 if KHO has no say in the matter.
#[no_mangle]
unsafe extern "C" fn kho_locate_mem_hole(
    kbuf: *mut bindings::kexec_buf,
    func: Option<unsafe extern "C" fn(arg1: *mut bindings::resource, arg2: *mut c_void) -> c_int>,
) -> c_int {
    // SAFETY: The caller is loading the image of its buffer.
    let is_crash = unsafe { bindings::lu_kimage_is_crash((*kbuf).image) };
    let (false, Some(func), Some(holes)) = (is_crash, func, kexec::holes()) else {
        return 1;
    };
    for (start, end) in holes {
        let mut resource = bindings::resource {
            start,
            end,
            ..Default::default()
        };
        // SAFETY: The caller's function takes a resource and its buffer.
        match unsafe { func(&mut resource, kbuf.cast()) } {
            0 => {}
            1 => return 0,
            _ => break,
        }
    }
    EADDRNOTAVAIL.to_errno()
}

/// Runs `f` on a tree of the caller, under its lock. [`None`] if it has no root.
///
/// # Safety
///
/// `tree` is valid, and was initialised by [`kho_radix_init_tree`].
unsafe fn with_tree<R>(
    tree: *mut bindings::kho_radix_tree,
    f: impl FnOnce(crate::logic::radix::Tree<tree_page::TreePages>) -> R,
) -> Option<R> {
    // SAFETY: By the caller's promise.
    let root = unsafe { (*tree).root };
    if warn_on!(root.is_null()) {
        return None;
    }
    // SAFETY: By the caller's promise the lock is initialised, and the root is one of ours.
    unsafe {
        bindings::mutex_lock(&raw mut (*tree).lock);
        let result = f(tree_page::borrow_tree(direct_map::phys_of(root)));
        bindings::mutex_unlock(&raw mut (*tree).lock);
        Some(result)
    }
}

/// Adds a key to a tree of the caller.
#[no_mangle]
unsafe extern "C" fn kho_radix_add_key(tree: *mut bindings::kho_radix_tree, key: c_ulong) -> c_int {
    // SAFETY: The caller's tree.
    match unsafe { with_tree(tree, |mut tree| tree.insert(key as u64)) } {
        Some(Ok(_)) => 0,
        Some(Err(InsertError::OutOfMemory)) => ENOMEM.to_errno(),
        Some(Err(InsertError::Range)) => ERANGE.to_errno(),
        None => EINVAL.to_errno(),
    }
}

/// Removes a key from a tree of the caller.
#[no_mangle]
unsafe extern "C" fn kho_radix_del_key(tree: *mut bindings::kho_radix_tree, key: c_ulong) {
    // SAFETY: The caller's tree.
    unsafe { with_tree(tree, |mut tree| tree.remove(key as u64)) };
}

/// Makes a tree for the caller, empty or with the nodes below `root`.
#[no_mangle]
unsafe extern "C" fn kho_radix_init_tree(
    tree: *mut bindings::kho_radix_tree,
    root: *mut bindings::kho_radix_node,
) -> c_int {
    let root = match NonNull::new(root) {
        Some(root) => root.as_ptr(),
        None => match tree_page::new_tree() {
            Ok(tree) => direct_map::address_of(tree.root()).cast(),
            Err(error) => return error.to_errno(),
        },
    };
    // SAFETY: The caller wants the tree there.
    unsafe {
        (*tree).root = root;
        bindings::lu_radix_lock_init(tree);
    }
    0
}

/// Frees the nodes of a tree of the caller.
#[no_mangle]
unsafe extern "C" fn kho_radix_destroy_tree(tree: *mut bindings::kho_radix_tree) {
    // SAFETY: The caller's tree, which nobody else uses any more.
    unsafe {
        let root = (*tree).root;
        if !root.is_null() {
            tree_page::borrow_tree(direct_map::phys_of(root)).destroy();
            (*tree).root = ptr::null_mut();
        }
    }
}

/// Calls the caller's functions for each node and each key of a tree, until one does not return 0.
#[no_mangle]
unsafe extern "C" fn kho_radix_walk_tree(
    tree: *mut bindings::kho_radix_tree,
    callbacks: *const bindings::kho_radix_walk_cb,
    data: *mut c_void,
) -> c_int {
    // SAFETY: The caller's callbacks.
    let callbacks = unsafe { &*callbacks };
    let walk = |tree: crate::logic::radix::Tree<tree_page::TreePages>| {
        for step in tree.walk() {
            let Ok(step) = step;
            // SAFETY: The caller's functions take what follows and its data.
            let result = unsafe { call_back(callbacks, step, data) };
            if result != 0 {
                return result;
            }
        }
        0
    };
    // SAFETY: The caller's tree.
    unsafe { with_tree(tree, walk) }.unwrap_or(EINVAL.to_errno())
}

/// # Safety
///
/// The functions in `callbacks` may be called with `data`.
unsafe fn call_back(
    callbacks: &bindings::kho_radix_walk_cb,
    step: Step,
    data: *mut c_void,
) -> c_int {
    match (step, callbacks.node, callbacks.leaf) {
        // SAFETY: By the caller's promise.
        (Step::Node { address, .. }, Some(node), _) => unsafe { node(address.get(), data) },
        (Step::Word { base, bits }, _, Some(leaf)) => {
            let mut left = bits;
            while left != 0 {
                let key = base | u64::from(left.trailing_zeros());
                // SAFETY: By the caller's promise.
                let result = unsafe { leaf(key as c_ulong, data) };
                if result != 0 {
                    return result;
                }
                left &= left - 1;
            }
            0
        }
        _ => 0,
    }
}

const _: () = {
    assert!(size_of::<bindings::kho_vmalloc>() == size_of::<KhoVmalloc>());
    assert!(bindings::kho_radix_consts_KHO_TREE_MAX_DEPTH == Geometry::<PAGE_SHIFT>::DEPTH);
};
