/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one kernel leaves for the next at a kexec handover: the root tree, the
 * map of preserved memory, and vmalloc areas.
 */

#ifndef _LINUX_KHO_ABI_KEXEC_HANDOVER_H
#define _LINUX_KHO_ABI_KEXEC_HANDOVER_H

#include <linux/bits.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/types.h>

#include <asm/page.h>

/**
 * DOC: Kexec Handover ABI
 *
 * The kernel before gives the kernel after one address: that of a flattened
 * device tree, in one preserved page. It names everything else::
 *
 *     / {
 *         compatible = "kho-v4";
 *         preserved-memory-map = <(u64) address of the map's root>;
 *
 *         LUO {
 *             preserved-data = <(u64) address of the blob>;
 *             blob-size = <(u64) bytes in it>;
 *         };
 *         ... more nodes of this kind, one for each blob ...
 *     };
 *
 * ``preserved-memory-map``
 *   Which pages are preserved: the root of a radix tree, described below. A
 *   handover without it, or with 0, is not taken over.
 *
 * ``preserved-data``, ``blob-size``
 *   Where a user of KHO has left its state, and how long that is. KHO does not
 *   look into it; it need not be a device tree. The name of the node is the
 *   user's, who looks for it by this name afterwards.
 *
 * All addresses are physical. Numbers are in the byte order of the machine,
 * unlike what device trees usually have.
 *
 * This is a contract between two kernels that may be of different versions.
 * Whoever changes anything in this file, or in block.h, gives
 * %KHO_FDT_COMPATIBLE another number. A kernel that finds a number it does not
 * know takes nothing over, and boots as if it had been switched on.
 *
 * ========== ========= =====================================================
 * version    since     what is new
 * ========== ========= =====================================================
 * ``kho-v1`` 6.16      first
 * ``kho-v3`` 7.1       ``blob-size``; blobs need not be device trees
 * ``kho-v4`` 7.2       block chains
 * ========== ========= =====================================================
 */

/* ``compatible`` of the root node. */
#define KHO_FDT_COMPATIBLE "kho-v4"

/* The property of the root node that leads to the map of preserved memory. */
#define KHO_FDT_MEMORY_MAP_PROP_NAME "preserved-memory-map"

/* The property of other nodes that leads to the blob. */
#define KHO_SUB_TREE_PROP_NAME "preserved-data"

/* The property of other nodes that holds the size of the blob. */
#define KHO_SUB_TREE_SIZE_PROP_NAME "blob-size"

/**
 * DOC: Kexec Handover ABI for vmalloc Preservation
 *
 * A vmalloc area is handed over as the physical addresses of its pages, in
 * their order in the area. &struct kho_vmalloc tells how many there are and
 * where the first &struct kho_vmalloc_chunk is. A chunk is one preserved page
 * of addresses, with the address of the next in front. The next kernel maps
 * the same pages into an area of its own, at whatever virtual address.
 *
 * With an @order above 0, an address stands for 2^order pages that belong
 * together.
 *
 * Since Linux 6.18, as part of what %KHO_FDT_COMPATIBLE versions.
 */

/*
 * A pointer that can be handed over. In memory it is a physical address. @ptr
 * is never stored: it only tells the compiler what the address leads to.
 */
#define DECLARE_KHOSER_PTR(name, type)	\
	union {				\
		u64 phys;		\
		type ptr;		\
	} name

/* Keeps a pointer. The compiler checks that it is of the declared type. */
#define KHOSER_STORE_PTR(dest, val)			\
	({						\
		typeof(val) v = val;			\
		typecheck(typeof((dest).ptr), v);	\
		(dest).phys = virt_to_phys(v);		\
	})

/* Makes a pointer of what was kept; NULL if that is 0. */
#define KHOSER_LOAD_PTR(src)						\
	({								\
		typeof(src) s = src;					\
		(typeof((s).ptr))((s).phys ? phys_to_virt((s).phys) : NULL); \
	})

/* What a chunk begins with: where the next is, 0 in the last. */
struct kho_vmalloc_hdr {
	DECLARE_KHOSER_PTR(next, struct kho_vmalloc_chunk *);
};

/* Addresses in a chunk: what the header leaves of a page. */
#define KHO_VMALLOC_SIZE				\
	((PAGE_SIZE - sizeof(struct kho_vmalloc_hdr)) /	\
	 sizeof(u64))

/* A page of addresses. Those that are not used, at the end of the last, are 0. */
struct kho_vmalloc_chunk {
	struct kho_vmalloc_hdr hdr;
	u64 phys[KHO_VMALLOC_SIZE];
};

static_assert(sizeof(struct kho_vmalloc_chunk) == PAGE_SIZE);

/*
 * A vmalloc area: its first chunk, its size in pages (of PAGE_SIZE, whatever
 * @order is), KHO_VMALLOC_* flags, and the order of the pages it is made of.
 */
struct kho_vmalloc {
	DECLARE_KHOSER_PTR(first, struct kho_vmalloc_chunk *);
	unsigned int total_pages;
	unsigned short flags;
	unsigned short order;
};

/**
 * DOC: KHO persistent memory tracker
 *
 * The map of preserved memory is a set of numbers, the *keys*. A key stands for
 * one block of 2^order pages and has its address and its order in it::
 *
 *     key = 1 << (64 - PAGE_SHIFT - order)  |  address >> (PAGE_SHIFT + order)
 *
 * The address is a multiple of the block's size, so no bit of it is lost. The
 * first term is a single bit above all that the second can have; where it is
 * tells the order. With pages of 4 KiB:
 *
 * ===== ============= =============
 * order its bit       the address
 * ===== ============= =============
 * 0     52            51 to 0
 * 1     51            50 to 0
 * 2     50            49 to 0
 * ===== ============= =============
 *
 * and so on. A larger order has smaller keys, and neighbours in memory of the
 * same order have neighbouring keys.
 *
 * The set is kept as a radix tree. Each of its nodes is a preserved page. A
 * leaf, level 0, is a bitmap of the lowest bits of the key; levels above have
 * tables of physical addresses, 0 where there is nothing below. With pages of
 * 4 KiB a leaf has 2^15 bits and a table 2^9 entries, so the 53 bits of a key
 * need six levels::
 *
 *     bit  63     60 59   51 50   42 41   33 32   24 23   15 14          0
 *         +---------+-------+-------+-------+-------+-------+-------------+
 *         |    0    | lvl 5 | lvl 4 | lvl 3 | lvl 2 | lvl 1 | bit in leaf |
 *         +---------+-------+-------+-------+-------+-------+-------------+
 *
 * One leaf covers 128 MiB of single pages, or 64 GiB of blocks of 2 MiB.
 *
 * The tree is always of full depth, and does not say which pages it consists
 * of. Since Linux 7.1.
 */

/* The shape of the tree, which follows from the size of a page. */
enum kho_radix_consts {
	/* Bits in a key: a page number, and one more for the order. */
	KHO_RADIX_KEY_WIDTH = 64 - PAGE_SHIFT + 1,

	/* Bits of the key that a table resolves. */
	KHO_TABLE_SIZE_LOG2 = const_ilog2(PAGE_SIZE / sizeof(phys_addr_t)),

	/* Bits of the key that a leaf resolves. */
	KHO_BITMAP_SIZE_LOG2 = PAGE_SHIFT + const_ilog2(BITS_PER_BYTE),

	/* Levels: as many tables as the rest of the key needs, and the leaf. */
	KHO_TREE_MAX_DEPTH =
		DIV_ROUND_UP(KHO_RADIX_KEY_WIDTH - KHO_BITMAP_SIZE_LOG2,
			     KHO_TABLE_SIZE_LOG2) + 1,
};

/* A table: physical addresses of the nodes one level below. */
struct kho_radix_node {
	u64 table[1 << KHO_TABLE_SIZE_LOG2];
};

/* A bitmap: one bit for each key. */
struct kho_radix_leaf {
	DECLARE_BITMAP(bitmap, 1 << KHO_BITMAP_SIZE_LOG2);
};

#endif	/* _LINUX_KHO_ABI_KEXEC_HANDOVER_H */
