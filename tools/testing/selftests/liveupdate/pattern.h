/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Data that no two pages of no two files have in common, chosen by lu_seed= on
 * the kernel's command line, and quick to make and to check.
 */

#ifndef SELFTESTS_LIVEUPDATE_PATTERN_H
#define SELFTESTS_LIVEUPDATE_PATTERN_H

#include "lu_test.h"

#define PAGE_WORDS	(PAGE / sizeof(unsigned long))
/* How many pages are read or written at a time. */
#define PAGES_AT_ONCE	16UL
#define GOLDEN_RATIO	0x9e3779b97f4a7c15UL

static inline unsigned long lu_pattern_seed(void)
{
	static unsigned long seed;
	static bool known;

	if (!known)
		seed = lu_parameter("lu_seed", 0);
	known = true;
	return seed;
}

/* SplitMix64 decides on the first word of a page; the others count up from it. */
static inline void lu_page(unsigned long *page, unsigned long file,
			   unsigned long index)
{
	unsigned long word = lu_pattern_seed() + (file << 40) + index + 1;

	word *= GOLDEN_RATIO;
	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9UL;
	word = (word ^ word >> 27) * 0x94d049bb133111ebUL;
	word ^= word >> 31;
	for (unsigned long i = 0; i < PAGE_WORDS; i++, word += GOLDEN_RATIO)
		page[i] = word;
}

/* Writes pages [@from, @to) of that file. */
static inline bool lu_write_pages(int fd, unsigned long from, unsigned long to,
				  unsigned long file)
{
	static unsigned long pages[PAGES_AT_ONCE * PAGE_WORDS];

	if (lseek(fd, from * PAGE, SEEK_SET) != (off_t)(from * PAGE))
		return false;
	while (from < to) {
		unsigned long count = to - from;

		if (count > PAGES_AT_ONCE)
			count = PAGES_AT_ONCE;
		for (unsigned long i = 0; i < count; i++)
			lu_page(pages + i * PAGE_WORDS, file, from + i);
		if (write(fd, pages, count * PAGE) != (ssize_t)(count * PAGE))
			return false;
		from += count;
	}
	return true;
}

/* The first of the pages [@from, @to) of that file that is not as it was written, or @to. */
static inline unsigned long lu_wrong_page(int fd, unsigned long from,
					  unsigned long to, unsigned long file)
{
	static unsigned long found[PAGES_AT_ONCE * PAGE_WORDS];
	static unsigned long page[PAGE_WORDS];

	if (lseek(fd, from * PAGE, SEEK_SET) != (off_t)(from * PAGE))
		return from;
	while (from < to) {
		unsigned long count = to - from;

		if (count > PAGES_AT_ONCE)
			count = PAGES_AT_ONCE;
		if (read(fd, found, count * PAGE) != (ssize_t)(count * PAGE))
			return from;
		for (unsigned long i = 0; i < count; i++, from++) {
			lu_page(page, file, from);
			if (memcmp(found + i * PAGE_WORDS, page, PAGE))
				return from;
		}
	}
	return to;
}

/* Ends the program if pages [@from, @to) of that file are not as they were written. */
#define NEED_PAGES(fd, from, to, file)					\
	do {								\
		unsigned long wrong = lu_wrong_page(fd, from, to, file); \
									\
		if (wrong != (to)) {					\
			printf("# line %d: page %lu of file %lu has other data\n", \
			       __LINE__, wrong, (unsigned long)(file));	\
			exit(1);					\
		}							\
	} while (0)

#endif /* SELFTESTS_LIVEUPDATE_PATTERN_H */
