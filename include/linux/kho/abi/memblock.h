/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How memory set aside by ``reserve_mem=`` is handed over.
 */

#ifndef _LINUX_KHO_ABI_MEMBLOCK_H
#define _LINUX_KHO_ABI_MEMBLOCK_H

/**
 * DOC: memblock kexec handover ABI
 *
 * ``reserve_mem=`` on the command line sets memory aside under a name. With
 * KHO, the next kernel finds it at the same physical address. The blob is a
 * flattened device tree in a node called %MEMBLOCK_KHO_FDT, with a node for
 * each area, called by the area's name:
 *
 * .. code-block:: none
 *
 *	/ {
 *		compatible = "memblock-v1";
 *
 *		trace {
 *			compatible = "reserve-mem-v1";
 *			start = <(u64) physical address>;
 *			size = <(u64) bytes>;
 *		};
 *	};
 *
 * Numbers are in the byte order of the machine. A change to the tree as a whole
 * needs another %MEMBLOCK_KHO_NODE_COMPATIBLE, one to the nodes of areas
 * another %RESERVE_MEM_KHO_NODE_COMPATIBLE. Since Linux 6.16.
 */

/* The name of the node, and of the blob. */
#define MEMBLOCK_KHO_FDT "memblock"

/* ``compatible`` of the blob's root node. */
#define MEMBLOCK_KHO_NODE_COMPATIBLE "memblock-v1"

/* ``compatible`` of the node of an area. */
#define RESERVE_MEM_KHO_NODE_COMPATIBLE "reserve-mem-v1"

#endif /* _LINUX_KHO_ABI_MEMBLOCK_H */
