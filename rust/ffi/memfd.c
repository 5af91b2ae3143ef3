// SPDX-License-Identifier: GPL-2.0
/*
 * C that the memfd handler in Rust cannot do without: its initcall, and
 * wrappers for inline functions and macros.
 */

#define pr_fmt(fmt) "liveupdate: memfd: " fmt

#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/kho/abi/memfd.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/vmstat.h>
#include <linux/xarray.h>

#include "mm/internal.h"
#include "memfd.h"

/* What abi/memfd.rs asserts of MemfdSer. */
static_assert(sizeof(struct memfd_luo_ser) == 48);
static_assert(offsetof(struct memfd_luo_ser, pos) == 0);
static_assert(offsetof(struct memfd_luo_ser, size) == 8);
static_assert(offsetof(struct memfd_luo_ser, seals) == 16);
static_assert(offsetof(struct memfd_luo_ser, flags) == 20);
static_assert(offsetof(struct memfd_luo_ser, nr_folios) == 24);
static_assert(offsetof(struct memfd_luo_ser, folios) == 32);

/*
 * liveupdate_memfd=compatible|extents: how memfds are written down for the next
 * kernel, which has to know the format. All kernels know the default.
 */
static int __init memfd_param_format(char *value)
{
	if (value && !strcmp(value, "compatible")) {
		lu_memfd_param_extents(false);
	} else if (value && !strcmp(value, "extents")) {
		lu_memfd_param_extents(true);
	} else {
		pr_warn("liveupdate_memfd=%s is neither compatible nor extents, ignored\n",
			value ?: "");
		return -EINVAL;
	}
	return 0;
}
early_param("liveupdate_memfd", memfd_param_format);

static int __init memfd_handler_init(void)
{
	return lu_memfd_init();
}
late_initcall(memfd_handler_init);

/* Files in shmem. */

bool lu_shmem_file(struct file *file)
{
	return shmem_file(file);
}

void lu_shmem_freeze(struct inode *inode, bool freeze)
{
	shmem_freeze(inode, freeze);
}

bool lu_shmem_is_frozen(struct inode *inode)
{
	return READ_ONCE(SHMEM_I(inode)->flags) & SHMEM_F_MAPPING_FROZEN;
}

/* The highest order of a folio that the page cache of a shmem file can hold. */
unsigned int lu_shmem_max_order(void)
{
	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) ? MAX_PAGECACHE_ORDER : 0;
}

void lu_inode_lock(struct inode *inode)
{
	inode_lock(inode);
}

void lu_inode_unlock(struct inode *inode)
{
	inode_unlock(inode);
}

loff_t lu_inode_size(const struct inode *inode)
{
	return i_size_read(inode);
}

void lu_inode_set_size(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}

/* Folios in files. */

void lu_folio_lock(struct folio *folio)
{
	folio_lock(folio);
}

void lu_folio_zero(struct folio *folio)
{
	folio_zero_range(folio, 0, folio_size(folio));
	flush_dcache_folio(folio);
}

void lu_folio_mark_uptodate(struct folio *folio)
{
	folio_mark_uptodate(folio);
}

/* What the page allocator does for folios that userspace may map. */
void lu_folio_set_rmappable(struct folio *folio)
{
	folio_set_large_rmappable(folio);
}

unsigned int lu_pageblock_order(void)
{
	return pageblock_order;
}

bool lu_folio_is_pinnable(struct folio *folio)
{
	return folio_is_longterm_pinnable(folio);
}

/*
 * Pins @folio, which was found where @xas points and to which there is no
 * reference yet. False if it cannot be, or is not there any more.
 */
static bool pin_found(struct xa_state *xas, struct folio *folio)
{
	int refs = GUP_PIN_COUNTING_BIAS;
	bool large = folio_test_large(folio);

	/* Large folios count their pins apart. */
	if (large)
		refs = 1;
	else if (folio_ref_count(folio) > INT_MAX - 2 * GUP_PIN_COUNTING_BIAS)
		return false;
	if (!folio_ref_add_unless_zero(folio, refs))
		return false;
	/* From here on it can neither be freed nor split. */
	if (unlikely(folio != xas_reload(xas) || large != folio_test_large(folio)))
		goto undo;
	if (large) {
		/* Pins of what is behind it would be for nothing. */
		if (unlikely(!folio_is_longterm_pinnable(folio)))
			goto undo;
		atomic_inc(&folio->_pincount);
	}
	return true;
undo:
	folio_put_refs(folio, refs);
	return false;
}

/*
 * Pins folios of @mapping from page @index up to @last, until the first that is
 * missing or cannot be pinned, and at most @nr of them. Returns how many are in
 * @folios. This is what filemap_get_folios_contig() and memfd_pin_folios() do
 * together, but for the question whether a small folio may stay where it is.
 */
unsigned int lu_pin_present(struct address_space *mapping, pgoff_t index,
			    pgoff_t last, struct folio **folios, unsigned int nr)
{
	XA_STATE(xas, &mapping->i_pages, index);
	unsigned int found = 0, counted = 0;
	int nid = NUMA_NO_NODE;
	struct folio *folio;

	rcu_read_lock();
	for (folio = xas_load(&xas); folio; folio = xas_next(&xas)) {
		/* What is no pointer: in swap, or the middle of a large folio. */
		if (unlikely((unsigned long)folio & 3)) {
			if (xas_retry(&xas, folio))
				continue;
			break;
		}
		if (!pin_found(&xas, folio))
			break;
		if (unlikely(folio_nid(folio) != nid)) {
			if (found != counted)
				lu_count_pins(nid, NR_FOLL_PIN_ACQUIRED, found - counted);
			nid = folio_nid(folio);
			counted = found;
		}
		folios[found++] = folio;
		if (found == nr)
			break;
		if (folio_test_large(folio))
			xas_advance(&xas, folio_next_index(folio) - 1);
		if (xas.xa_index >= last)
			break;
	}
	rcu_read_unlock();

	if (found != counted)
		lu_count_pins(nid, NR_FOLL_PIN_ACQUIRED, found - counted);
	return found;
}

void lu_count_pins(int nid, enum node_stat_item item, long count)
{
	mod_node_page_state(NODE_DATA(nid), item, count);
}

/* What shmem counts for folios in its files; all of them are like @folio. */
static void count_in_shmem(struct folio *folio, long pages)
{
	if (folio_test_pmd_mappable(folio))
		lruvec_stat_mod_folio(folio, NR_SHMEM_THPS, pages);
	lruvec_stat_mod_folio(folio, NR_FILE_PAGES, pages);
	lruvec_stat_mod_folio(folio, NR_SHMEM, pages);
}

static bool counted_alike(struct folio *one, struct folio *other)
{
#ifdef CONFIG_MEMCG
	if (one->memcg_data != other->memcg_data)
		return false;
#endif
	return folio_nid(one) == folio_nid(other) &&
	       folio_test_pmd_mappable(one) == folio_test_pmd_mappable(other);
}

/* Whether there is no entry at @index, to which @xas then points. */
static bool is_vacant(struct xa_state *xas, pgoff_t index, unsigned int order)
{
	/* In a leaf the next slot is near; another node has to be looked for. */
	if (!order && xas->xa_index + 1 == index && index & XA_CHUNK_MASK &&
	    xas_valid(xas) && !xas->xa_shift && !xas->xa_sibs)
		return !xas_next(xas);
	xas_set_order(xas, index, order);
	return !xas_find_conflict(xas);
}

/*
 * shmem_add_to_page_cache() for many folios, each locked and with its index,
 * in ascending order, and without interrupts being switched on and off for
 * each. Returns how many are in the file; what kept the next one out is in
 * @err.
 */
unsigned int lu_add_to_page_cache(struct address_space *mapping,
				  struct folio **folios, unsigned int nr,
				  gfp_t gfp, int *err)
{
	XA_STATE(xas, &mapping->i_pages, ULONG_MAX);
	unsigned int added = 0;
	long pages = 0;

	gfp &= GFP_RECLAIM_MASK;
	do {
		xas_lock_irq(&xas);
		while (added < nr) {
			struct folio *folio = folios[added];
			long size = folio_nr_pages(folio);

			if (!is_vacant(&xas, folio->index, folio_order(folio))) {
				xas_set_err(&xas, -EEXIST);
				break;
			}
			folio_ref_add(folio, size);
			folio->mapping = mapping;
			xas_store(&xas, folio);
			if (xas_error(&xas)) {
				folio->mapping = NULL;
				folio_ref_sub(folio, size);
				break;
			}
			mapping->nrpages += size;
			pages += size;
			added++;
			if (added == nr || !counted_alike(folio, folios[added])) {
				count_in_shmem(folio, pages);
				pages = 0;
			}
		}
		if (pages)
			count_in_shmem(folios[added - 1], pages);
		pages = 0;
		xas_unlock_irq(&xas);
	} while (xas_nomem(&xas, gfp));

	*err = xas_error(&xas);
	return added;
}

int lu_mem_cgroup_charge(struct folio *folio, gfp_t gfp)
{
	return mem_cgroup_charge(folio, NULL, gfp);
}
