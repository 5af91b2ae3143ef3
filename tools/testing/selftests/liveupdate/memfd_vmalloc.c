// SPDX-License-Identifier: GPL-2.0
/*
 * What memfds are described by is counted as memory of vmalloc() as long as it is
 * there. Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define FILES		4
#define BYTES		(8UL << 20)

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "vmalloc");

	NEED(session >= 0);
	for (int token = 1; token <= FILES; token++) {
		int memfd = memfd_create("vmalloc", 0);

		NEED(lu_fill(memfd, 0, BYTES, token));
		NEED(lu_preserve(session, memfd, token) == 0);
		close(memfd);
	}
	lu_hold_sessions();
}

/* In pages, or a negative number. */
static long vmalloc_pages(void)
{
	static char text[16384];
	const char *found;

	/* Reading the first has what processors have counted by themselves added up. */
	lu_read_text("/proc/sys/vm/stat_refresh", text, sizeof(text));
	if (!lu_read_text("/proc/vmstat", text, sizeof(text)))
		return -errno;
	found = strstr(text, "nr_vmalloc ");
	return found ? atol(found + strlen("nr_vmalloc ")) : -ENOENT;
}

/* What others may have come to use meanwhile: half as many pages as tables here have. */
#define OTHERS		(FILES * (long)(BYTES / PAGE) * 16 / (long)PAGE / 2)

TEST(descriptions_are_added_to_what_is_used_and_taken_off_again)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "vmalloc");
	long first = vmalloc_pages();

	ASSERT_GE(session, 0);
	ASSERT_GT(first, 0);
	for (int token = 1; token <= FILES; token++) {
		int memfd = lu_retrieve(session, token);

		ASSERT_GE(memfd, 0);
		EXPECT_EQ(lu_wrong(memfd, 0, BYTES, token), BYTES);
		close(memfd);
	}
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_GE(vmalloc_pages(), first);
	EXPECT_LE(vmalloc_pages(), first + OTHERS);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
