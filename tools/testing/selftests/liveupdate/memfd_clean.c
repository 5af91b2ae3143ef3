// SPDX-License-Identifier: GPL-2.0
/*
 * A memfd with pages that were clean when it was preserved, and are written to by
 * a mapping later, which the kernel does not see. Run with "-s 1" before the live
 * update and with "-s 2" after it, when the kernel is told to reclaim all of them.
 */

#include "lu_test.h"
#include "lu_harness.h"

#include <linux/mman.h>

#define PAGES	64UL
#define TOKEN	1

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static volatile unsigned char *map(int memfd)
{
	void *map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 memfd, 0);

	return map == MAP_FAILED ? NULL : map;
}

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "clean");
	int memfd = memfd_create("clean", 0);
	volatile unsigned char *pages;
	unsigned int sum = 0;

	NEED(session >= 0);
	NEED(ftruncate(memfd, PAGES * PAGE) == 0);
	pages = map(memfd);
	NEED(pages);
	/* Reading makes pages that are clean, and that may be written to. */
	for (unsigned long i = 0; i < PAGES; i++)
		sum += pages[i * PAGE];
	NEED(sum == 0);
	NEED(lu_preserve(session, memfd, TOKEN) == 0);
	for (unsigned long i = 0; i < PAGES; i++)
		pages[i * PAGE] = i + 1;
	lu_hold_sessions();
}

TEST(what_was_written_is_not_reclaimed_as_if_it_were_clean)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "clean");
	int memfd = lu_retrieve(session, TOKEN);
	volatile unsigned char *pages;

	ASSERT_GE(memfd, 0);
	ASSERT_EQ(lu_finish(session, 0), 0);
	pages = map(memfd);
	ASSERT_NE(pages, NULL);
	/* Only what is mapped is looked at; reading maps it. */
	for (unsigned long i = 0; i < PAGES; i++)
		ASSERT_EQ(pages[i * PAGE], i + 1);
	EXPECT_EQ(lu_madvise((void *)pages, PAGES * PAGE, MADV_PAGEOUT), 0);
	for (unsigned long i = 0; i < PAGES; i++)
		EXPECT_EQ(pages[i * PAGE], i + 1);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
