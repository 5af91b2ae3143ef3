// SPDX-License-Identifier: GPL-2.0
/*
 * A memfd of single pages that are all over memory, with a few others between
 * them: what a host has after some months. The next kernel has to boot in what is
 * left, before it gets to what is between them. Run with "-s 1" before the live
 * update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define TOKEN		1
/* One page is kept, the others are not. */
#define STRIDE		16UL
/* KiB that are left to this kernel, and that the next one must have besides scratch. */
#define LEFT		(96L << 10)
#define ENOUGH		(128L << 10)

/* What the next kernel is told, behind the pages. */
struct facts {
	unsigned long pages;
	long scratch, total;
};

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "everywhere");
	int kept = memfd_create("kept", 0), others = memfd_create("others", 0);
	struct facts facts = {
		.scratch = lu_meminfo("CmaFree"),
		.total = lu_meminfo("MemTotal"),
	};

	NEED(session >= 0 && kept >= 0 && others >= 0);
	NEED(facts.scratch > 0);
	while (lu_meminfo("MemFree") > LEFT) {
		/* Reading that file takes as long as many pages. */
		for (int batch = 0; batch < 64; batch++) {
			unsigned long at = facts.pages++;

			NEED(lu_fill(kept, at * PAGE, (at + 1) * PAGE, 1));
			NEED(!lu_fallocate(others, 0, at * (STRIDE - 1) * PAGE,
					   (STRIDE - 1) * PAGE));
		}
	}
	NEED(lseek(kept, 0, SEEK_SET) == 0);
	close(others);
	NEED(!lu_preserve(session, kept, TOKEN));
	NEED(write(kept, &facts, sizeof(facts)) == sizeof(facts));
	printf("# %lu pages, scratch %ld KiB, memory %ld KiB\n", facts.pages, facts.scratch,
	       facts.total);
	lu_hold_sessions();
}

/* The KiB that the page allocator got at first, from the log of the kernel. */
static long free_at_boot(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	static char record[8192];
	ssize_t length;
	char *found;

	if (log < 0)
		return -1;
	while ((length = read(log, record, sizeof(record) - 1)) > 0) {
		record[length] = '\0';
		found = strstr(record, "Memory: ");
		if (found && strstr(found, "K available"))
			return strtol(found + strlen("Memory: "), NULL, 10);
	}
	return -1;
}

TEST(there_is_memory_to_boot_in_and_to_have_back)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "everywhere");
	int fd = lu_retrieve(session, TOKEN);
	long available = free_at_boot();
	struct facts facts;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	ASSERT_EQ(read(fd, &facts, sizeof(facts)), sizeof(facts));
	printf("# %ld KiB were free, with scratch of %ld\n", available, facts.scratch);
	EXPECT_GT(available, facts.scratch + ENOUGH);
	EXPECT_EQ(lu_wrong(fd, PAGE, facts.pages * PAGE, 1), facts.pages * PAGE);

	EXPECT_GT(lu_wait_for_memory(facts.total - (8 << 10)), facts.total - (8 << 10));
	EXPECT_EQ(lu_finish(session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
