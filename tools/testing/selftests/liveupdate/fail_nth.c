// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation of each operation fails once: the error is ENOMEM, nothing has
 * changed, and the next try works. For kernels with CONFIG_FAULT_INJECTION. Run
 * with "-s 1" before the live update and with "-s 2" after it.
 */

#include "faults.h"
#include "kselftest_harness.h"
#include "../../vm/guest/next_kernel.h"

#include <linux/reboot.h>

#define FILE_SIZE	(64 * PAGE)

/* More allocations than it takes to load a kernel. */
#define MOST_TO_LOAD	1000000

/* Files of the second stage, one for each allocation that may fail. */
#define FILES		100

static int make_file(unsigned int seed)
{
	int fd = memfd_create("fail", 0);

	return fd >= 0 && lu_fill(fd, 0, FILE_SIZE, seed) ? fd : -1;
}

/* Stage 1. */

FIXTURE(outgoing)
{
	int device;
};

FIXTURE_SETUP(outgoing)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(outgoing)
{
	close(self->device);
}

TEST_F(outgoing, creating_a_session)
{
	int control = fault_open();
	bool failed = true;
	unsigned int nth;

	ASSERT_GE(control, 0);
	for (nth = 1; failed && nth < MOST; nth++) {
		int session;

		ASSERT_TRUE(fault_at(control, nth));
		session = lu_create(self->device, "fail");
		failed = fault_came(control);
		if (session < 0) {
			EXPECT_TRUE(failed);
			EXPECT_EQ(session, -ENOMEM);
			session = lu_create(self->device, "fail");
		}
		ASSERT_GE(session, 0);
		close(session);
	}
	EXPECT_GT(nth, 2);
	EXPECT_LT(nth, MOST);
	printf("# %u allocations\n", nth - 2);
}

TEST_F(outgoing, preserving_a_memfd)
{
	int control = fault_open();
	bool failed = true;
	unsigned int nth;

	ASSERT_GE(control, 0);
	for (nth = 1; failed && nth < MOST; nth++) {
		int session = lu_create(self->device, "fail");
		int memfd = make_file(1);
		int err;

		ASSERT_GE(session, 0);
		ASSERT_GE(memfd, 0);
		ASSERT_TRUE(fault_at(control, nth));
		err = lu_preserve(session, memfd, 1);
		failed = fault_came(control);
		if (err) {
			EXPECT_TRUE(failed);
			EXPECT_EQ(err, -ENOMEM);
			/* It can be changed as if nothing had been tried. */
			EXPECT_EQ(ftruncate(memfd, 2 * FILE_SIZE), 0);
			EXPECT_EQ(ftruncate(memfd, FILE_SIZE), 0);
			err = lu_preserve(session, memfd, 1);
		}
		ASSERT_EQ(err, 0);
		close(session);
		EXPECT_EQ(lu_wrong(memfd, 0, FILE_SIZE, 1), FILE_SIZE);
		close(memfd);
	}
	EXPECT_GT(nth, 2);
	EXPECT_LT(nth, MOST);
	printf("# %u allocations\n", nth - 2);
}

TEST_F(outgoing, loading_the_next_kernel)
{
	int kernel = open(KERNEL, O_RDONLY);
	int session = lu_create(self->device, "fail"), memfd = make_file(1);
	int control = fault_open();
	char cmdline[CMDLINE_MAX];
	bool failed = true;
	unsigned int nth;

	ASSERT_GE(kernel, 0);
	ASSERT_TRUE(read_line(CMDLINE, cmdline));
	ASSERT_GE(control, 0);
	ASSERT_EQ(lu_preserve(session, memfd, 1), 0);
	/* There are thousands, most of them for pages to read the image into. */
	for (nth = 1; failed && nth < MOST_TO_LOAD; nth += nth / 2 + 1) {
		int err;

		ASSERT_TRUE(fault_at(control, nth));
		err = load_next_kernel(kernel, cmdline) ? errno : 0;
		failed = fault_came(control);
		if (err) {
			EXPECT_TRUE(failed);
			/* The latter is from reading the files. */
			EXPECT_TRUE(err == ENOMEM || err == EIO);
		}
	}
	EXPECT_LT(nth, MOST_TO_LOAD);
	EXPECT_EQ(load_next_kernel(kernel, cmdline), NULL);
	close(session);
	EXPECT_EQ(lu_wrong(memfd, 0, FILE_SIZE, 1), FILE_SIZE);
	close(memfd);
	close(kernel);
}

/* One session for each allocation that may fail in the next kernel. */
static void prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	char name[32];

	NEED(lu_allow_fds(2 * FILES) == 0);
	for (unsigned int i = 0; i < FILES; i++) {
		int session, memfd = make_file(i + 1);

		snprintf(name, sizeof(name), "file-%u", i);
		session = lu_create(device, name);
		NEED(session >= 0 && memfd >= 0 && lu_preserve(session, memfd, 1) == 0);
	}
	/* The tests open it, too. */
	close(device);
	lu_keep_sessions();
	printf("# prepared\n");
}

/*
 * Reboots, with each allocation on the way failing once, until one is so late
 * that the next kernel starts all the same. Comes back if something is wrong.
 */
static int reboot_in_the_end(void)
{
	int control = fault_open();

	for (unsigned int nth = 1; nth < MOST; nth++) {
		int device, session, err;

		NEED(fault_at(control, nth));
		err = syscall(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			      LINUX_REBOOT_CMD_KEXEC, NULL) ? -errno : 0;
		NEED(fault_came(control));
		if (err != -ENOMEM) {
			printf("# allocation %u: the reboot returned %d\n", nth, err);
			return 1;
		}
		printf("# allocation %u: the reboot came back\n", nth);
		/* What is there is usable, and there can be more. */
		device = open(LU_DEVICE, O_RDWR);
		session = lu_create(device, "another");
		NEED(session >= 0);
		close(session);
		close(device);
	}
	return 1;
}

/* Stage 2. */

static int retrieve_session(int device, unsigned int number)
{
	char name[32];

	snprintf(name, sizeof(name), "file-%u", number);
	return lu_retrieve_session(device, name);
}

/* The first one that succeeds makes the kernel read what was handed over. */
static int open_device(int control, unsigned int *failures)
{
	for (*failures = 0; *failures < MOST; (*failures)++) {
		int device;

		if (!fault_at(control, *failures + 1))
			return -errno;
		device = open(LU_DEVICE, O_RDWR);
		if (device < 0)
			device = -errno;
		if (!fault_came(control))
			return device;
		if (device < 0 && device != -ENOMEM)
			return device;
		close(device);
	}
	return -E2BIG;
}

/* One test, since each takes files away from the others. */
TEST(retrieving_a_session_and_a_memfd)
{
	unsigned int nth, session_nth = 0, open_nth;
	int control = fault_open();
	bool failed = true;
	int device;

	ASSERT_GE(control, 0);
	device = open_device(control, &open_nth);
	ASSERT_GE(device, 0);
	EXPECT_GT(open_nth, 0);
	for (nth = 1; failed && nth <= FILES; nth++) {
		bool session_failed;
		int session, memfd, err;

		ASSERT_TRUE(fault_at(control, nth));
		session = retrieve_session(device, nth - 1);
		session_failed = fault_came(control);
		session_nth += session_failed;
		if (session < 0) {
			EXPECT_TRUE(session_failed);
			EXPECT_EQ(session, -ENOMEM);
			session = retrieve_session(device, nth - 1);
		}
		ASSERT_GE(session, 0);

		ASSERT_TRUE(fault_at(control, nth));
		memfd = lu_retrieve(session, 1);
		failed = fault_came(control);
		if (memfd < 0) {
			err = memfd;
			EXPECT_TRUE(failed);
			/* shmem says the latter of an inode that it cannot have. */
			EXPECT_TRUE(err == -ENOMEM || err == -ENOSPC);
			/* Tried again it gives the file, or the same error. */
			memfd = lu_retrieve(session, 1);
			EXPECT_TRUE(memfd >= 0 || memfd == err);
		}
		if (memfd >= 0) {
			EXPECT_EQ(lu_wrong(memfd, 0, FILE_SIZE, nth), FILE_SIZE);
			close(memfd);
		}
		ASSERT_TRUE(fault_at(control, nth));
		err = lu_finish(session, 0);
		if (fault_came(control) && err) {
			EXPECT_EQ(err, -ENOMEM);
			err = lu_finish(session, 0);
		}
		EXPECT_EQ(err, 0);
		close(session);
	}
	/* All allocations of both had their turn. */
	EXPECT_FALSE(failed);
	EXPECT_GT(session_nth, 0);
	printf("# %u, %u and %u allocations\n", open_nth, session_nth, nth - 2);
	close(control);
	close(device);
}

int main(int argc, char **argv)
{
	bool first = argc == 3 && !strcmp(argv[2], "1");
	char *const filter[] = {
		argv[0], "-f", first ? "outgoing" : "global", NULL,
	};

	if (!fault_set_up()) {
		printf("# this kernel cannot make allocations fail\n");
		return 1;
	}
	if (!first)
		return test_harness_run(3, (char **)filter);
	prepare();
	return test_harness_run(3, (char **)filter) || reboot_in_the_end();
}
