// SPDX-License-Identifier: GPL-2.0
/*
 * A kexec that is aborted when some files are frozen already: everything is
 * usable afterwards, nothing is lost, and the next kexec takes it all along.
 *
 * Somebody with a debugger makes the freeze of file number N fail in round N.
 * The program says when a round begins, and waits for a line on the console.
 * Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include <sys/reboot.h>

#include "lu_test.h"
#include "lu_harness.h"

/* One for each file: two in one session, the last in another one. */
#define ROUNDS		3

#define FILE_SIZE	(16 * PAGE)
#define BIG		(64UL << 20)

#define SAY_AGAIN_MS	1000

static int device;

static int new_memfd(unsigned long size, unsigned int seed)
{
	int fd = memfd_create("abort", 0);

	NEED(fd >= 0 && lu_fill(fd, 0, size, seed));
	return fd;
}

/* A console may keep its last line to itself while the machine is idle. */
static void wait_for_word(int round)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	char byte;

	do {
		printf("# round %d begins\n", round);
	} while (!poll(&input, 1, SAY_AGAIN_MS));
	do {
		NEED(read(0, &byte, 1) == 1);
	} while (byte != '\n');
}

static void abort_kexec(int round)
{
	int err;

	wait_for_word(round);
	err = reboot(RB_KEXEC);
	NEED(err == -1 && errno == EIO);
	printf("# round %d is over\n", round);
}

static int prepare(void)
{
	int kept, dropped, first, second, big;
	long before, shmem;

	device = open(LU_DEVICE, O_RDWR);
	NEED(device >= 0);
	NEED(lu_count_free_memory_exactly());
	shmem = lu_meminfo("Shmem");
	kept = lu_create(device, "kept");
	dropped = lu_create(device, "dropped");
	first = new_memfd(FILE_SIZE, 1);
	second = new_memfd(FILE_SIZE, 2);
	big = new_memfd(BIG, 3);
	NEED(lu_preserve(kept, first, 1) == 0);
	NEED(lu_preserve(kept, second, 2) == 0);
	NEED(lu_preserve(dropped, big, 1) == 0);

	for (int round = 1; round <= ROUNDS; round++) {
		abort_kexec(round);
		lu_need_usable(device, "kept", kept, first);
	}

	/* What was frozen and is no more can be given back, to the last page. */
	before = lu_meminfo("MemFree");
	close(dropped);
	NEED(ftruncate(big, 2 * BIG) == 0);
	close(big);
	NEED(lu_meminfo("Shmem") <= shmem + (long)(4 * FILE_SIZE >> 10));
	NEED(lu_meminfo("MemFree") > before + (long)(BIG >> 10) * 9 / 10);

	/* And the rest still changes until the jump. */
	NEED(lu_fill(second, 0, FILE_SIZE, 4));
	NEED(lseek(first, 3 * PAGE, SEEK_SET) == 3 * PAGE);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

FIXTURE(after_aborts)
{
	int device;
};

FIXTURE_SETUP(after_aborts)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(after_aborts)
{
	close(self->device);
}

TEST_F(after_aborts, the_kept_session_comes_along_as_it_was_at_the_jump)
{
	int session = lu_retrieve_session(self->device, "kept");
	int first, second;

	ASSERT_GE(session, 0);
	first = lu_retrieve(session, 1);
	second = lu_retrieve(session, 2);
	ASSERT_GE(first, 0);
	ASSERT_GE(second, 0);
	EXPECT_EQ(lseek(first, 0, SEEK_CUR), 3 * PAGE);
	EXPECT_EQ(lu_wrong(first, 0, FILE_SIZE, 1), FILE_SIZE);
	EXPECT_EQ(lu_wrong(second, 0, FILE_SIZE, 4), FILE_SIZE);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

TEST_F(after_aborts, what_was_dropped_does_not)
{
	EXPECT_EQ(lu_retrieve_session(self->device, "dropped"), -ENOENT);
	EXPECT_EQ(lu_retrieve_session(self->device, "fresh"), -ENOENT);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
