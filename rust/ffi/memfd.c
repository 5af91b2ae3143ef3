// SPDX-License-Identifier: GPL-2.0
/*
 * C that the memfd handler in Rust cannot do without: its initcall, and
 * wrappers for inline functions and macros.
 */

#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/vmstat.h>

#include "mm/internal.h"
#include "memfd.h"

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

/* Turns a reference into a pin; false if the folio must not stay where it is. */
bool lu_folio_pin_large(struct folio *folio)
{
	if (!folio_has_pincount(folio) || try_grab_folio(folio, 1, FOLL_PIN))
		return false;
	if (!folio_is_longterm_pinnable(folio)) {
		unpin_folio(folio);
		return false;
	}
	folio_put(folio);
	return true;
}

void lu_count_pins(int nid, enum node_stat_item item, long count)
{
	mod_node_page_state(NODE_DATA(nid), item, count);
}

int lu_mem_cgroup_charge(struct folio *folio, gfp_t gfp)
{
	return mem_cgroup_charge(folio, NULL, gfp);
}
