/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What KHO in Rust needs and only C can say: inline functions, macros and
 * early memory. Each is as thin as it can be; decisions are made in Rust.
 */
#ifndef _LIVEUPDATE_FFI_KHO_H
#define _LIVEUPDATE_FFI_KHO_H

#include <linux/kexec_handover.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/types.h>

struct kexec_buf;
struct kho_radix_tree;
struct kimage;

/* Calls @init with @arg and sets *@ready, unless it is set; callers take turns. */
void lu_init_once(u32 *ready, void (*init)(void *arg), void *arg);

/* Struct pages. */
struct page *lu_online_page(unsigned long pfn);
void lu_pages_make_live(struct page *page, unsigned long nr);
void lu_folio_make_live(struct page *page, unsigned int order);

/* Pages of a radix tree: from slab's allocator, or memblock before there is one. */
void *lu_tree_page_alloc(void);
void lu_tree_page_free(void *page);

void lu_radix_lock_init(struct kho_radix_tree *tree);

struct folio *lu_folio_alloc_zeroed(unsigned int order);
void lu_folio_put(struct folio *folio);

/* vmalloc. */
int lu_vm_area_map(struct vm_struct *area, struct page **pages, unsigned int shift);
void *lu_vm_area_complete(struct vm_struct *area, struct page **pages, unsigned int nr);
struct vm_struct *lu_vm_area_alloc(unsigned long size, unsigned int shift,
				   unsigned long flags);
struct page **lu_page_array_alloc(unsigned long nr);
void lu_page_array_free(struct page **pages);

/* Early boot. All of these are __init. */
bool lu_early_is_ram(phys_addr_t start, phys_addr_t size);
void lu_init_struct_pages(unsigned long pfn, unsigned long end, int nid);
int lu_next_memory_node(int nid);
unsigned int lu_memory_regions(void);
void lu_memory_region(unsigned int index, u64 *start_pfn, u64 *end_pfn, int *nid);
unsigned int lu_reserved_regions(void);
void lu_reserved_region(unsigned int index, u64 *start_pfn, u64 *end_pfn);
unsigned long lu_scratch_alignment(void);
phys_addr_t lu_memblock_alloc_low(phys_addr_t size, phys_addr_t align);
phys_addr_t lu_memblock_alloc_node(phys_addr_t size, phys_addr_t align, int nid);
phys_addr_t lu_reserved_kern_bytes(bool low, int nid);
void *lu_memblock_alloc_zeroed(size_t size);
void lu_memblock_free(void *mem, size_t size);
bool lu_is_kdump_kernel(void);
void lu_scratch_to_cma(phys_addr_t start, phys_addr_t size);
void lu_scratch_give_back(phys_addr_t start, phys_addr_t size);

/* Once all struct pages are initialised. */
void lu_free_reserved_block(struct page *page, unsigned int order);
void lu_adjust_managed_pages(struct page *page, unsigned long count);
void lu_free_boot_memory(void *mem, size_t size);
int lu_start_background(int (*function)(void *), const char *name);
void lu_give_way(void);

/* kexec_file. */
int lu_kimage_add_scratch(struct kimage *image, void *array, size_t size);
bool lu_kimage_is_crash(const struct kimage *image);
const char *lu_uts_release(void);

/* What the next lines call is in Rust; see kho/exports.rs. */
int lu_kho_param_enable(bool on);
int lu_kho_param_scratch(const char *value, size_t len);
int lu_kho_init(void);
unsigned long lu_kho_out_of_memory(void);

#endif /* _LIVEUPDATE_FFI_KHO_H */
