// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation of each operation fails once: the error is ENOMEM, nothing has
 * changed, and the next try works. But a file of the previous kernel that is being
 * filled when memory ends is lost, and nothing else with it. For kernels with
 * CONFIG_FAULT_INJECTION. Run with "-s 1" before the live update and with "-s 2"
 * after it.
 */

#include "faults.h"
#include "lu_harness.h"
#include "../../vm/guest/next_kernel.h"

#include <linux/reboot.h>

#define FILE_SIZE	(64 * PAGE)

/* More allocations than it takes to load a kernel. */
#define MOST_TO_LOAD	1000000

/* Sessions of the second stage, one for each allocation that may fail. */
#define SESSIONS	40

/* Files of each of them: one to retrieve, one that must not suffer, one to discard. */
enum { WANTED = 1, OTHER, UNWANTED, TOKENS };

/* Their tables are larger than a page, so that it takes memory to read them. */
#define FILE_PAGES	300UL
#define LARGE_SIZE	(FILE_PAGES * PAGE)

/* The pages of a session's files, in KiB, which it keeps from the kernel. */
#define SESSION_KIB	((long)((TOKENS - WANTED) * LARGE_SIZE >> 10))

static int make_file_of(unsigned long size, unsigned int seed)
{
	int fd = memfd_create("fail", 0);

	return fd >= 0 && lu_fill(fd, 0, size, seed) ? fd : -1;
}

static int make_file(unsigned int seed)
{
	return make_file_of(FILE_SIZE, seed);
}

static unsigned int seed_of(unsigned int session, unsigned int token)
{
	return session * TOKENS + token;
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

	NEED(lu_allow_fds(2 * SESSIONS) == 0);
	for (unsigned int i = 0; i < SESSIONS; i++) {
		int session;

		snprintf(name, sizeof(name), "file-%u", i);
		session = lu_create(device, name);
		NEED(session >= 0);
		for (unsigned int token = WANTED; token < TOKENS; token++) {
			int memfd = make_file_of(LARGE_SIZE, seed_of(i, token));

			NEED(memfd >= 0 && lu_preserve(session, memfd, token) == 0);
			close(memfd);
		}
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

/* Of an allocation: none was left to fail, the caller did without it, the file could be had later. */
enum fate { NONE_LEFT, DONE_WITHOUT, LATER, FATES };

static bool is_intact(int memfd, unsigned int number, unsigned int token)
{
	return lu_wrong(memfd, 0, LARGE_SIZE, seed_of(number, token)) == LARGE_SIZE &&
	       lseek(memfd, 0, SEEK_END) == LARGE_SIZE;
}

static int take_session(struct __test_metadata *_metadata, int device, int control,
			unsigned int number, bool *failed)
{
	int session;

	ASSERT_TRUE(fault_at(control, number + 1));
	session = retrieve_session(device, number);
	*failed = fault_came(control);
	if (session < 0) {
		EXPECT_TRUE(*failed);
		EXPECT_EQ(session, -ENOMEM);
		session = retrieve_session(device, number);
	}
	ASSERT_GE(session, 0);
	return session;
}

static enum fate take_file(struct __test_metadata *_metadata, int session, int control,
			   unsigned int number, int *memfd)
{
	bool failed;

	ASSERT_TRUE(fault_at(control, number + 1));
	*memfd = lu_retrieve(session, WANTED);
	failed = fault_came(control);
	if (*memfd >= 0)
		return failed ? DONE_WITHOUT : NONE_LEFT;
	EXPECT_TRUE(failed);
	/* shmem says the last of an inode that it cannot have. */
	EXPECT_TRUE(*memfd == -ENOMEM || *memfd == -ENFILE || *memfd == -ENOSPC);
	*memfd = lu_retrieve(session, WANTED);
	EXPECT_GE(*memfd, 0) {
		TH_LOG("allocation %u: the file is lost: %d", number + 1, *memfd);
	}
	return LATER;
}

static bool finish(struct __test_metadata *_metadata, int session, int control,
		   unsigned int number)
{
	bool failed;
	int err;

	ASSERT_TRUE(fault_at(control, number + 1));
	err = lu_finish(session, 0);
	failed = fault_came(control);
	if (err) {
		EXPECT_TRUE(failed);
		EXPECT_EQ(err, -ENOMEM);
		err = lu_finish(session, 0);
	}
	EXPECT_EQ(err, 0);
	return failed;
}

/* What came of all sessions. */
struct tally {
	unsigned int sessions, files[FATES], finishes;
};

/* One session, with the allocation of that number failing; false if none had it. */
static bool take_over(struct __test_metadata *_metadata, int device, int control,
		      unsigned int number, struct tally *tally)
{
	int session, outgoing, memfd, other, err;
	long kept = lu_meminfo("MemTotal");
	bool session_failed, finish_failed;
	enum fate fate;

	session = take_session(_metadata, device, control, number, &session_failed);
	fate = take_file(_metadata, session, control, number, &memfd);
	/* Nothing else suffers. */
	other = lu_retrieve(session, OTHER);
	ASSERT_GE(other, 0);
	EXPECT_TRUE(is_intact(other, number, OTHER));
	outgoing = lu_create(device, "outgoing");
	ASSERT_GE(outgoing, 0);
	if (memfd >= 0) {
		EXPECT_TRUE(is_intact(memfd, number, WANTED));
		err = lu_preserve(outgoing, memfd, WANTED);
		EXPECT_EQ(err, -EBUSY) {
			TH_LOG("allocation %u: the file is not kept for finish", number + 1);
		}
	}
	EXPECT_EQ(close(outgoing), 0);

	finish_failed = finish(_metadata, session, control, number);
	if (memfd >= 0) {
		EXPECT_TRUE(is_intact(memfd, number, WANTED));
		EXPECT_EQ(close(memfd), 0);
	}
	EXPECT_TRUE(is_intact(other, number, OTHER));
	EXPECT_EQ(close(other), 0);
	EXPECT_EQ(close(session), 0);
	EXPECT_EQ(retrieve_session(device, number), -ENOENT);

	kept += SESSION_KIB - lu_meminfo("MemTotal");
	EXPECT_LE(kept, 0) {
		TH_LOG("allocation %u: %ld KiB are kept", number + 1, kept);
	}
	tally->sessions += session_failed;
	tally->files[fate]++;
	tally->finishes += finish_failed;
	return session_failed || fate != NONE_LEFT || finish_failed;
}

FIXTURE(incoming)
{
	int control;
};

FIXTURE_SETUP(incoming)
{
	self->control = fault_open();
	ASSERT_GE(self->control, 0);
}

FIXTURE_TEARDOWN(incoming)
{
	close(self->control);
}

/* One test, since each takes files away from the others. */
TEST_F(incoming, retrieving_sessions_and_memfds)
{
	unsigned int number = 0, open_failures;
	int device, control = self->control;
	struct tally tally = {};

	device = open_device(control, &open_failures);
	ASSERT_GE(device, 0);
	while (number < SESSIONS &&
	       take_over(_metadata, device, control, number, &tally))
		number++;
	printf("# allocations to open: %u, to retrieve a session: %u, to finish: %u\n",
	       open_failures, tally.sessions, tally.finishes);
	printf("# allocations to retrieve a file: %u after which it came later, %u done without\n",
	       tally.files[LATER], tally.files[DONE_WITHOUT]);
	/* All had their turn. */
	EXPECT_LT(number, SESSIONS);
	EXPECT_GT(open_failures, 0);
	EXPECT_GT(tally.sessions, 0);
	EXPECT_GT(tally.files[LATER], 0);
	close(device);
}

int main(int argc, char **argv)
{
	bool first = argc == 3 && !strcmp(argv[2], "1");
	char *const filter[] = {
		argv[0], "-f", first ? "outgoing" : "incoming", NULL,
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
