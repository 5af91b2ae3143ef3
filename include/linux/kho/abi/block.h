/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Chains of blocks that carry tables from one kernel to the next.
 */

#ifndef _LINUX_KHO_ABI_BLOCK_H
#define _LINUX_KHO_ABI_BLOCK_H

#include <asm/page.h>
#include <linux/types.h>

/**
 * DOC: KHO block chain ABI
 *
 * A table that goes to the next kernel is kept in blocks of one preserved page
 * each. A block has a header, and behind it entries of one size, side by side
 * and without padding::
 *
 *     +---------------+---------+---------+-- -+-----------+--------+
 *     | next  | count | entry 0 | entry 1 | .. | entry n-1 | unused |
 *     +---------------+---------+---------+-- -+-----------+--------+
 *     0       8       16                                     KHO_BLOCK_SIZE
 *
 * The chain does not say what its entries are or how large: whoever has the
 * address of the first block knows. A reader must not trust what it finds. A
 * chain may be longer than any table, run in a circle or leave memory, and
 * @count may be more than fits.
 *
 * There is no version of its own. What is here changes together with
 * %KHO_FDT_COMPATIBLE. Since Linux 7.2 (``kho-v4``).
 */

/**
 * KHO_BLOCK_SIZE - Bytes in a block.
 *
 * One page. Both kernels have pages of the same size, or there is no handover.
 */
#define KHO_BLOCK_SIZE			PAGE_SIZE

/**
 * struct kho_block_header_ser - What a block begins with.
 * @next:  Physical address of the next block, 0 in the last.
 * @count: How many entries of this block are in use.
 */
struct kho_block_header_ser {
	u64 next;
	u64 count;
} __packed;

#endif /* _LINUX_KHO_ABI_BLOCK_H */
