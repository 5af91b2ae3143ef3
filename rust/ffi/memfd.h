/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the memfd handler in Rust needs and only C can say: inline functions
 * and macros of shmem and the page cache.
 */
#ifndef _LIVEUPDATE_FFI_MEMFD_H
#define _LIVEUPDATE_FFI_MEMFD_H

#include <linux/mmzone.h>
#include <linux/types.h>

struct address_space;
struct file;
struct folio;
struct inode;

/* Files in shmem. */
bool lu_shmem_file(struct file *file);
void lu_shmem_freeze(struct inode *inode, bool freeze);
bool lu_shmem_is_frozen(struct inode *inode);
unsigned int lu_shmem_max_order(void);
void lu_inode_lock(struct inode *inode);
void lu_inode_unlock(struct inode *inode);
loff_t lu_inode_size(const struct inode *inode);
void lu_inode_set_size(struct inode *inode, loff_t size);

/* Folios in files. */
void lu_folio_lock(struct folio *folio);
void lu_folio_zero(struct folio *folio);
void lu_folio_mark_uptodate(struct folio *folio);
void lu_folio_set_rmappable(struct folio *folio);
unsigned int lu_pageblock_order(void);
bool lu_folio_is_pinnable(struct folio *folio);
unsigned int lu_pin_present(struct address_space *mapping, pgoff_t index,
			    pgoff_t last, struct folio **folios, unsigned int nr);
void lu_count_pins(int nid, enum node_stat_item item, long count);
unsigned int lu_add_to_page_cache(struct address_space *mapping,
				  struct folio **folios, unsigned int nr,
				  gfp_t gfp, int *err);
int lu_mem_cgroup_charge(struct folio *folio, gfp_t gfp);

/* In Rust; see handlers/exports.rs. */
void lu_memfd_param_extents(bool on);
int lu_memfd_init(void);

#endif /* _LIVEUPDATE_FFI_MEMFD_H */
