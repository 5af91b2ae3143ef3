// SPDX-License-Identifier: GPL-2.0
/*
 * memfds whose pages are all over memory: two are written page by page in
 * turns, and one of them is closed. The next kernel has to keep every other
 * page and may use those in between. Run with "-s 1" before the live update
 * and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define PAGES		(8UL << 10)
#define TOKEN		1
#define LAST		(PAGES * PAGE)

/* Another byte sequence on each page. */
static void fill_page(unsigned long *page, unsigned long index)
{
	for (unsigned long i = 0; i < PAGE / sizeof(*page); i++)
		page[i] = (index + 1) * 0x9e3779b97f4a7c15UL + i;
}

static bool write_at(int fd, const void *data, unsigned long offset,
		     unsigned long length)
{
	return lseek(fd, offset, SEEK_SET) == (off_t)offset &&
	       write(fd, data, length) == (ssize_t)length;
}

static bool read_at(int fd, void *data, unsigned long offset,
		    unsigned long length)
{
	return lseek(fd, offset, SEEK_SET) == (off_t)offset &&
	       read(fd, data, length) == (ssize_t)length;
}

static void before(void)
{
	static unsigned long page[PAGE / sizeof(long)];
	int kept = memfd_create("kept", 0);
	int dropped = memfd_create("dropped", 0);
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "scattered");
	long total = lu_meminfo("MemTotal");

	if (kept < 0 || dropped < 0 || session < 0)
		exit(1);
	for (unsigned long index = 0; index < PAGES; index++) {
		fill_page(page, index);
		if (!write_at(kept, page, index * PAGE, PAGE) ||
		    !write_at(dropped, page, index * PAGE, PAGE))
			exit(1);
	}
	/* What this kernel has, for the next one to compare with. */
	if (!write_at(kept, &total, LAST, sizeof(total)))
		exit(1);
	close(dropped);
	if (lu_preserve(session, kept, TOKEN))
		exit(1);
	lu_hold_sessions();
}

TEST(pages_survive_and_those_between_are_free_again)
{
	static unsigned long found[PAGE / sizeof(long)], page[PAGE / sizeof(long)];
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "scattered");
	int fd = lu_retrieve(session, TOKEN);
	long before, free_before, free_after;

	ASSERT_GE(fd, 0);
	for (unsigned long index = 0; index < PAGES; index++) {
		fill_page(page, index);
		ASSERT_TRUE(read_at(fd, found, index * PAGE, PAGE));
		ASSERT_EQ(memcmp(found, page, PAGE), 0) {
			TH_LOG("page %lu", index);
		}
	}
	ASSERT_TRUE(read_at(fd, &before, LAST, sizeof(before)));

	EXPECT_GT(lu_wait_for_memory(before - (8 << 10)), before - (8 << 10));

	ASSERT_EQ(lu_finish(session, 0), 0);
	/* The pages can be freed, though some wait in the lists of their CPU. */
	free_before = lu_meminfo("MemFree");
	ASSERT_EQ(ftruncate(fd, 0), 0);
	free_after = lu_meminfo("MemFree");
	EXPECT_GT(free_after - free_before, (long)(PAGES * PAGE / 1024) / 2);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
