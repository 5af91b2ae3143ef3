/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that was set aside by reserve_mem=: nothing in userspace reads or writes
 * it, but what the kernel prepares for its successor says where it is. That is a
 * flattened device tree with a node for each region, see mm/memblock.c.
 */

#ifndef SELFTESTS_LIVEUPDATE_RESERVED_H
#define SELFTESTS_LIVEUPDATE_RESERVED_H

#include "lu_test.h"

#define RESERVED_TREE	"/sys/kernel/debug/kho/out/sub_fdts/memblock"

struct lu_region {
	unsigned long start, size;
};

enum { FDT_STRUCT = 2, FDT_STRINGS };
enum { FDT_BEGIN_NODE = 1, FDT_END_NODE, FDT_PROP, FDT_NOP };

static inline unsigned int lu_be32(const unsigned char *at)
{
	return at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

/* Where the region @name is; false if there is none, or no such file. */
static inline bool lu_find_region(const char *name, struct lu_region *region)
{
	/* Padded, so that nothing is read that is not there. */
	static unsigned char tree[PAGE + 64];
	int fd = open(RESERVED_TREE, O_RDONLY);
	unsigned int at, strings, depth = 0;
	bool inside = false;
	ssize_t length;

	region->start = region->size = 0;
	if (fd < 0)
		return false;
	length = read(fd, tree, PAGE);
	close(fd);
	if (length < 32)
		return false;
	at = lu_be32(tree + 4 * FDT_STRUCT);
	strings = lu_be32(tree + 4 * FDT_STRINGS);
	while (at + 12 <= length && strings < length) {
		unsigned int tag = lu_be32(tree + at);
		const char *text = (char *)tree + at + 4;

		at += 4;
		if (tag == FDT_BEGIN_NODE) {
			inside = ++depth == 2 && !strcmp(text, name);
			at += (strlen(text) + 4) & ~3U;
		} else if (tag == FDT_PROP) {
			unsigned int size = lu_be32(tree + at);
			unsigned int key = strings + lu_be32(tree + at + 4);
			const unsigned char *value = tree + at + 8;

			if (inside && size == 8 && key < length) {
				if (!strcmp((char *)tree + key, "start"))
					memcpy(&region->start, value, size);
				if (!strcmp((char *)tree + key, "size"))
					memcpy(&region->size, value, size);
			}
			at += 8 + ((size + 3) & ~3U);
		} else if (tag == FDT_END_NODE) {
			depth--;
			inside = false;
		} else if (tag != FDT_NOP) {
			break;
		}
	}
	return region->start && region->size;
}

#endif /* SELFTESTS_LIVEUPDATE_RESERVED_H */
