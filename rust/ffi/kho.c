// SPDX-License-Identifier: GPL-2.0
/*
 * C that KHO in Rust cannot do without: boot parameters, initcalls, exports,
 * and wrappers for inline functions and macros.
 */

#define pr_fmt(fmt) "KHO: " fmt

#include <linux/cma.h>
#include <linux/crash_dump.h>
#include <linux/init.h>
#include <linux/kasan.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kho_radix_tree.h>
#include <linux/kmemleak.h>
#include <linux/kstrtox.h>
#include <linux/kthread.h>
#include <linux/memblock.h>
#include <linux/memcontrol.h>
#include <linux/memory_hotplug.h>
#include <linux/oom.h>
#include <linux/page-isolation.h>
#include <linux/pageblock-flags.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>

#ifdef CONFIG_X86
#include <asm/e820/api.h>
#endif

#include "mm/internal.h"
#include "mm/mm_init.h"
#include "mm/page_alloc.h"
#include "mm/vmalloc.h"
#include "kho.h"

/* Boot parameters and initcalls. */

static int __init kho_param_enable(char *value)
{
	bool on;
	int err = kstrtobool(value, &on);

	return err ?: lu_kho_param_enable(on);
}
early_param("kho", kho_param_enable);

static int __init kho_param_scratch(char *value)
{
	return value ? lu_kho_param_scratch(value, strlen(value)) : -EINVAL;
}
early_param("kho_scratch", kho_param_scratch);

/* Memory that a thread is about to release must not be missing meanwhile. */
static int kho_out_of_memory(struct notifier_block *block, unsigned long unused,
			     void *freed)
{
	*(unsigned long *)freed += lu_kho_out_of_memory();
	return NOTIFY_OK;
}

static struct notifier_block kho_oom_notifier = {
	.notifier_call = kho_out_of_memory,
};

static int __init kho_init(void)
{
	register_oom_notifier(&kho_oom_notifier);
	return lu_kho_init();
}
fs_initcall(kho_init);

/* The symbols that modules may use are those of mainline. */

EXPORT_SYMBOL_GPL(kho_is_enabled);
EXPORT_SYMBOL_GPL(is_kho_boot);
EXPORT_SYMBOL_GPL(kho_radix_add_key);
EXPORT_SYMBOL_GPL(kho_radix_del_key);
EXPORT_SYMBOL_GPL(kho_radix_init_tree);
EXPORT_SYMBOL_GPL(kho_radix_destroy_tree);
EXPORT_SYMBOL_GPL(kho_radix_walk_tree);
EXPORT_SYMBOL_GPL(kho_restore_folio);
EXPORT_SYMBOL_GPL(kho_restore_pages);
EXPORT_SYMBOL_GPL(kho_add_subtree);
EXPORT_SYMBOL_GPL(kho_remove_subtree);
EXPORT_SYMBOL_GPL(kho_retrieve_subtree);
EXPORT_SYMBOL_GPL(kho_preserve_folio);
EXPORT_SYMBOL_GPL(kho_unpreserve_folio);
EXPORT_SYMBOL_GPL(kho_preserve_pages);
EXPORT_SYMBOL_GPL(kho_unpreserve_pages);
EXPORT_SYMBOL_GPL(kho_preserve_vmalloc);
EXPORT_SYMBOL_GPL(kho_unpreserve_vmalloc);
EXPORT_SYMBOL_GPL(kho_restore_vmalloc);
EXPORT_SYMBOL_GPL(kho_alloc_preserve);
EXPORT_SYMBOL_GPL(kho_unpreserve_free);
EXPORT_SYMBOL_GPL(kho_restore_free);

/* Locks in statics, which nobody has initialised before their first use. */

static DEFINE_SPINLOCK(lu_init_lock);

void lu_init_once(u32 *ready, void (*init)(void *arg), void *arg)
{
	guard(spinlock_irqsave)(&lu_init_lock);
	if (!*ready) {
		init(arg);
		/* Pairs with the acquire of those who find it set. */
		smp_store_release(ready, 1);
	}
}
EXPORT_SYMBOL_GPL(lu_init_once);

/* Struct pages. */

struct page *lu_online_page(unsigned long pfn)
{
	return pfn_to_online_page(pfn);
}

#ifdef NODE_NOT_IN_PAGE_FLAGS
#error "kernel/page.rs reads a page's NUMA node from its flags"
#endif

void lu_pages_make_live(struct page *page, unsigned long nr)
{
	for (unsigned long i = 0; i < nr; i++) {
		set_page_count(page + i, 1);
		/* The allocator's accounting never saw this page being allocated. */
		clear_page_tag_ref(page + i);
	}
	adjust_managed_page_count(page, nr);
}

static __always_inline void make_tail_live(struct page *tail, struct page *head,
					   unsigned int order)
{
	set_page_count(tail, 0);
	prep_compound_tail(tail, head, order);
}

/*
 * Each struct page is touched once, which prep_compound_page() would not do.
 * That and the loop being unrolled is what a large folio costs.
 */
void lu_folio_make_live(struct page *page, unsigned int order)
{
	unsigned long nr = 1UL << order;

	set_page_count(page, 1);
	clear_page_tag_ref(page);
	if (!order)
		return;

	__SetPageHead(page);
	for (unsigned long i = 1; i < min(nr, 4); i++)
		make_tail_live(page + i, page, order);
	for (struct page *tail = page + 4; tail < page + nr; tail += 4) {
		make_tail_live(tail, page, order);
		make_tail_live(tail + 1, page, order);
		make_tail_live(tail + 2, page, order);
		make_tail_live(tail + 3, page, order);
	}
	prep_compound_head(page, order);
}

void *__ref lu_tree_page_alloc(void)
{
	if (slab_is_available())
		return (void *)get_zeroed_page(GFP_KERNEL);
	return memblock_alloc(PAGE_SIZE, PAGE_SIZE);
}

void __ref lu_tree_page_free(void *page)
{
	if (slab_is_available())
		free_page((unsigned long)page);
	else
		memblock_free(page, PAGE_SIZE);
}

void lu_radix_lock_init(struct kho_radix_tree *tree)
{
	mutex_init(&tree->lock);
}

struct folio *lu_folio_alloc_zeroed(unsigned int order)
{
	return folio_alloc(GFP_KERNEL | __GFP_ZERO, order);
}

void lu_folio_put(struct folio *folio)
{
	folio_put(folio);
}
EXPORT_SYMBOL_GPL(lu_folio_put);

/* vmalloc. */

struct page **lu_page_array_alloc(unsigned long nr)
{
	/* The previous kernel says how many: too many are no bug of this one. */
	return kvmalloc_array(nr, sizeof(struct page *), GFP_KERNEL | __GFP_NOWARN);
}

void lu_page_array_free(struct page **pages)
{
	kvfree(pages);
}

struct vm_struct *lu_vm_area_alloc(unsigned long size, unsigned int shift,
				   unsigned long flags)
{
	return __get_vm_area_node(size, 1UL << shift, shift,
				  flags | VM_UNINITIALIZED,
				  VMALLOC_START, VMALLOC_END, NUMA_NO_NODE,
				  GFP_KERNEL, __builtin_return_address(0));
}

/* Shows @pages, which need not be anybody's yet, in @area. */
int lu_vm_area_map(struct vm_struct *area, struct page **pages, unsigned int shift)
{
	unsigned long addr = (unsigned long)area->addr;

	return vmap_pages_range(addr, addr + get_vm_area_size(area), PAGE_KERNEL,
				pages, shift);
}

/* Hands @pages, which are mapped there, and the array over to @area. */
void *lu_vm_area_complete(struct vm_struct *area, struct page **pages, unsigned int nr)
{
	kasan_vmalloc_flags_t kasan_flags = KASAN_VMALLOC_PROT_NORMAL;

	area->nr_pages = nr;
	area->pages = pages;
	/* vfree() will take them off again. */
	for (unsigned int i = 0; i < nr; i++)
		mod_lruvec_page_state(pages[i], NR_VMALLOC, 1);
	if (area->flags & VM_ALLOC)
		kasan_flags |= KASAN_VMALLOC_VM_ALLOC;
	area->addr = kasan_unpoison_vmalloc(area->addr,
					    (unsigned long)nr << PAGE_SHIFT,
					    kasan_flags);
	clear_vm_uninitialized_flag(area);
	return area->addr;
}

/* Early boot. */

bool __init lu_early_is_ram(phys_addr_t start, phys_addr_t size)
{
#ifdef CONFIG_X86
	/* memblock is still empty: the firmware's map is what there is. */
	return e820__mapped_all(start, start + size, E820_TYPE_RAM);
#else
	/*
	 * memblock has what the device tree says. With UEFI that is nothing: its
	 * map is read later.
	 */
	return !memblock_phys_mem_size() || memblock_is_region_memory(start, size);
#endif
}

/*
 * init_deferred_page() for pages of RAM from @pfn to before @end. That looks for
 * the zone of each; here the first of each pageblock tells that of the others.
 */
void __init lu_init_struct_pages(unsigned long pfn, unsigned long end, int nid)
{
#ifdef CONFIG_DEFERRED_STRUCT_PAGE_INIT
	if (!node_online(nid))
		return;
	for (pfn = max(pfn, NODE_DATA(nid)->first_deferred_pfn); pfn < end; ) {
		unsigned long stop = min(end, pageblock_end_pfn(pfn));
		unsigned long zone;

		init_deferred_page(pfn, nid);
		zone = page_zonenum(pfn_to_page(pfn));
		while (++pfn < stop)
			__init_single_page(pfn_to_page(pfn), pfn, zone, nid);
	}
#endif
}

unsigned int __init lu_memory_regions(void)
{
	return memblock.memory.cnt;
}

/* Whole pages of region @index; one without any has end below start or equal to it. */
void __init lu_memory_region(unsigned int index, u64 *start_pfn, u64 *end_pfn,
			     int *nid)
{
	struct memblock_region *region = &memblock.memory.regions[index];

	*start_pfn = memblock_region_memory_base_pfn(region);
	*end_pfn = memblock_region_memory_end_pfn(region);
	*nid = memblock_get_region_node(region);
	/* Not in the direct map. */
	if (memblock_is_nomap(region))
		*end_pfn = *start_pfn;
}

unsigned int __init lu_reserved_regions(void)
{
	return memblock.reserved.cnt;
}

/* All pages that reserved region @index touches. */
void __init lu_reserved_region(unsigned int index, u64 *start_pfn, u64 *end_pfn)
{
	const struct memblock_region *region = &memblock.reserved.regions[index];

	*start_pfn = PFN_DOWN(region->base);
	*end_pfn = PFN_UP(region->base + region->size);
}

int __init lu_next_memory_node(int nid)
{
	nid = nid < 0 ? first_node(node_states[N_MEMORY]) :
			next_node(nid, node_states[N_MEMORY]);
	return nid < MAX_NUMNODES ? nid : -1;
}

unsigned long __init lu_scratch_alignment(void)
{
	/*
	 * The buddy allocator looks at neighbours up to the highest order when
	 * it merges; struct pages there must be initialised.
	 */
	BUILD_BUG_ON(PAGE_SIZE * MAX_ORDER_NR_PAGES < CMA_MIN_ALIGNMENT_BYTES);
	return PAGE_SIZE * MAX_ORDER_NR_PAGES;
}

phys_addr_t __init lu_memblock_alloc_low(phys_addr_t size, phys_addr_t align)
{
	return memblock_phys_alloc_range(size, align, 0, ARCH_LOW_ADDRESS_LIMIT);
}

phys_addr_t __init lu_memblock_alloc_node(phys_addr_t size, phys_addr_t align,
					  int nid)
{
	if (nid < 0)
		return memblock_phys_alloc_range(size, align, 0,
						 MEMBLOCK_ALLOC_ACCESSIBLE);
	return memblock_alloc_range_nid(size, align, 0,
					MEMBLOCK_ALLOC_ACCESSIBLE, nid, true);
}

/* Bytes that the kernel has reserved, huge pages set aside at boot left out. */
phys_addr_t __init lu_reserved_kern_bytes(bool low, int nid)
{
	phys_addr_t limit = low ? ARCH_LOW_ADDRESS_LIMIT : MEMBLOCK_ALLOC_ANYWHERE;
	phys_addr_t kern, hugetlb;

	if (nid < 0)
		nid = NUMA_NO_NODE;
	kern = memblock_reserved_kern_size(limit, nid);
	hugetlb = memblock_reserved_hugetlb_size(limit, nid);
	return kern > hugetlb ? kern - hugetlb : 0;
}

void *__init lu_memblock_alloc_zeroed(size_t size)
{
	return memblock_alloc(size, PAGE_SIZE);
}

void __init lu_memblock_free(void *mem, size_t size)
{
	memblock_free(mem, size);
}

bool __init lu_is_kdump_kernel(void)
{
	return is_kdump_kernel();
}

void __init lu_scratch_to_cma(phys_addr_t start, phys_addr_t size)
{
	unsigned long end_pfn = PHYS_PFN(start + size);

	/* With debug_pagealloc free pages are not mapped: nothing to scan there. */
	kmemleak_ignore_phys(start);
	for (unsigned long pfn = PHYS_PFN(start); pfn < end_pfn;
	     pfn += pageblock_nr_pages)
		init_cma_reserved_pageblock(pfn_to_page(pfn));
}

void __init lu_scratch_give_back(phys_addr_t start, phys_addr_t size)
{
	free_reserved_area(__va(start), __va(start) + size, -1, "");
}

/* Once all struct pages are initialised. */

/*
 * Gives a block that was reserved in early boot, and that is nobody's, to the
 * page allocator. The zone is not told that it has more pages.
 */
void lu_free_reserved_block(struct page *page, unsigned int order)
{
	for (unsigned long i = 0; i < 1UL << order; i++) {
		set_page_count(page + i, 0);
		clear_page_tag_ref(page + i);
	}
	/* In a confidential guest it may be that no kernel has used it so far. */
	accept_memory(page_to_phys(page), PAGE_SIZE << order);
	free_frozen_pages(page, order);
}

void lu_adjust_managed_pages(struct page *page, unsigned long count)
{
	adjust_managed_page_count(page, count);
}

void lu_free_boot_memory(void *mem, size_t size)
{
	/* What memblock gave is known by its physical address. */
	kmemleak_free_part_phys(__pa(mem), size);
	free_reserved_area(mem, mem + size, -1, NULL);
}

/* Runs @function in a thread that keeps out of everyone's way. */
int lu_start_background(int (*function)(void *), const char *name)
{
	static const struct sched_param no_priority;
	struct task_struct *task = kthread_create(function, NULL, "%s", name);

	if (IS_ERR(task))
		return PTR_ERR(task);
	sched_setscheduler_nocheck(task, SCHED_IDLE, &no_priority);
	wake_up_process(task);
	return 0;
}

/*
 * As cond_resched() is meant. That does nothing in a preemptible kernel; and with
 * PREEMPT_LAZY, who waits for a thread of the kernel waits until the next tick.
 */
void lu_give_way(void)
{
	if (need_resched() || tif_test_bit(TIF_NEED_RESCHED_LAZY))
		schedule();
}

/* kexec_file. */

int lu_kimage_add_scratch(struct kimage *image, void *array, size_t size)
{
	struct kexec_buf buf = {
		.image = image,
		.buffer = array,
		.bufsz = size,
		.mem = KEXEC_BUF_MEM_UNKNOWN,
		.memsz = size,
		.buf_align = SZ_64K,	/* easy to map in early boot */
		.buf_max = ULONG_MAX,
		.top_down = true,
	};
	int err = kexec_add_buffer(&buf);

	if (!err)
		image->kho.scratch = &image->segment[image->nr_segments - 1];
	return err;
}

bool lu_kimage_is_crash(const struct kimage *image)
{
	return image->type == KEXEC_TYPE_CRASH;
}

const char *lu_uts_release(void)
{
	return init_uts_ns.name.release;
}
