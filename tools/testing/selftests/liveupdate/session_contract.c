// SPDX-License-Identifier: GPL-2.0
/*
 * The contract of /dev/liveupdate as include/uapi/linux/liveupdate.h states it:
 * sessions of this kernel. See incoming_contract.c for those from the previous
 * one.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define MANY_FILES	300

FIXTURE(session)
{
	int device;
	int fd;
	int memfd;
};

FIXTURE_SETUP(session)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	self->fd = lu_create(self->device, "contract");
	ASSERT_GE(self->fd, 0);
	self->memfd = memfd_create("contract", MFD_ALLOW_SEALING);
	ASSERT_GE(self->memfd, 0);
	ASSERT_EQ(ftruncate(self->memfd, PAGE), 0);
}

FIXTURE_TEARDOWN(session)
{
	close(self->memfd);
	close(self->fd);
	close(self->device);
}

TEST_F(session, unknown_numbers_are_refused)
{
	struct liveupdate_session_get_name args = { .size = sizeof(args) };

	EXPECT_UNKNOWN(lu_ioctl(self->fd, _IO(LIVEUPDATE_IOCTL_TYPE, 0x5f), &args));
	EXPECT_UNKNOWN(lu_ioctl(self->fd, _IO(LIVEUPDATE_IOCTL_TYPE, 0xff), &args));
	EXPECT_UNKNOWN(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION, &args));
	EXPECT_EQ(lu_ioctl(self->fd, _IOWR(LIVEUPDATE_IOCTL_TYPE,
					   LIVEUPDATE_CMD_SESSION_GET_NAME,
					   struct liveupdate_session_get_name),
			   &args), -ENOTTY);
}

TEST_F(session, wild_pointers_are_a_fault)
{
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_PRESERVE_FD, NULL),
		  -EFAULT);
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_GET_NAME, NOWHERE),
		  -EFAULT);
}

TEST_F(session, its_descriptor_is_closed_on_exec)
{
	EXPECT_EQ(lu_fcntl(self->fd, F_GETFD, 0), FD_CLOEXEC);
}

TEST_F(session, get_name_gives_the_whole_name)
{
	struct liveupdate_session_get_name args = { .size = sizeof(args) };

	memset(args.name, 'x', sizeof(args.name));
	ASSERT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_GET_NAME, &args), 0);
	EXPECT_STREQ((char *)args.name, "contract");
}

TEST_F(session, get_name_wants_room_for_the_whole_name)
{
	struct {
		struct liveupdate_session_get_name known;
		unsigned char tail[8];
	} args = {};

	args.known.size = sizeof(args.known) - 1;
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_GET_NAME, &args),
		  -EINVAL);
	args.known.size = 8;
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_GET_NAME, &args),
		  -EINVAL);
	args.known.size = sizeof(args);
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_GET_NAME, &args), 0);
	args.tail[7] = 1;
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_GET_NAME, &args),
		  -E2BIG);
}

TEST_F(session, get_name_refuses_reserved_bits)
{
	struct liveupdate_session_get_name args = {
		.size = sizeof(args),
		.reserved = 1,
	};

	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_GET_NAME, &args),
		  -EINVAL);
}

TEST_F(session, what_is_for_the_next_kernel_is_refused_in_this_one)
{
	ASSERT_EQ(lu_preserve(self->fd, self->memfd, 1), 0);
	EXPECT_EQ(lu_retrieve(self->fd, 1), -EINVAL);
	EXPECT_EQ(lu_finish(self->fd, 0), -EINVAL);
	EXPECT_EQ(lu_finish(self->fd, 1), -EINVAL);
	/* It is still preserved. */
	EXPECT_EQ(lu_preserve(self->fd, self->memfd, 2), -EBUSY);
}

TEST_F(session, preserve_checks_the_size_of_its_structure)
{
	struct {
		struct liveupdate_session_preserve_fd known;
		unsigned char tail[8];
	} args = { .known = { .fd = self->memfd, .token = 1 } };

	for (unsigned int size = 0; size < sizeof(args.known); size++) {
		args.known.size = size;
		EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_PRESERVE_FD,
				   &args), -EINVAL);
	}
	args.known.size = sizeof(args);
	args.tail[0] = 1;
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_PRESERVE_FD, &args),
		  -E2BIG);
	args.tail[0] = 0;
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_SESSION_PRESERVE_FD, &args), 0);
}

TEST_F(session, descriptors_that_are_none_are_bad)
{
	int path = open("/", O_PATH);

	EXPECT_EQ(lu_preserve(self->fd, -1, 1), -EBADF);
	EXPECT_EQ(lu_preserve(self->fd, 9999, 1), -EBADF);
	ASSERT_GE(path, 0);
	EXPECT_EQ(lu_preserve(self->fd, path, 1), -EBADF);
	close(path);
	/* The token of a failed attempt is free. */
	EXPECT_EQ(lu_preserve(self->fd, self->memfd, 1), 0);
}

TEST_F(session, files_that_nobody_can_preserve_are_refused)
{
	int null = open("/dev/null", O_RDWR);
	int linked = open("/tmp/linked", O_RDWR | O_CREAT, 0600);
	int huge = memfd_create("huge", MFD_HUGETLB);
	int ends[2];

	ASSERT_GE(null, 0);
	ASSERT_GE(linked, 0);
	/* A kernel without huge pages has none that could be refused. */
	EXPECT_TRUE(huge >= 0 || errno == ENOSYS);
	if (huge >= 0) {
		EXPECT_EQ(lu_preserve(self->fd, huge, 1), -ENOENT);
	}
	ASSERT_EQ(pipe(ends), 0);
	EXPECT_EQ(lu_preserve(self->fd, null, 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, linked, 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, ends[0], 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, self->fd, 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, self->device, 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, self->memfd, 1), 0);
}

TEST_F(session, a_memfd_of_more_pages_than_can_be_counted_is_refused)
{
	off_t too_long = (0xffffffffUL + 1) * PAGE;

	ASSERT_EQ(ftruncate(self->memfd, too_long), 0);
	EXPECT_EQ(lu_preserve(self->fd, self->memfd, 1), -EFBIG);
	/* It is as it was, and what is smaller will do. */
	EXPECT_EQ(ftruncate(self->memfd, 2 * PAGE), 0);
	EXPECT_EQ(lu_preserve(self->fd, self->memfd, 1), 0);
}

TEST_F(session, a_token_is_used_once_in_a_session)
{
	int other = lu_create(self->device, "other");
	int one = memfd_create("one", 0);
	int two = memfd_create("two", 0);

	ASSERT_GE(other, 0);
	ASSERT_EQ(lu_preserve(self->fd, self->memfd, 0), 0);
	EXPECT_EQ(lu_preserve(self->fd, one, 0), -EEXIST);
	EXPECT_EQ(lu_preserve(self->fd, one, -1ULL), 0);
	EXPECT_EQ(lu_preserve(self->fd, two, -1ULL), -EEXIST);
	/* Each session has its own tokens. */
	EXPECT_EQ(lu_preserve(other, two, 0), 0);
	close(other);
	close(one);
	close(two);
}

TEST_F(session, a_memfd_is_preserved_once_however_it_is_reached)
{
	int other = lu_create(self->device, "other");
	int copy = dup(self->memfd);
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->memfd);
	again = open(path, O_RDWR);
	ASSERT_GE(other, 0);
	ASSERT_GE(copy, 0);
	ASSERT_GE(again, 0);

	ASSERT_EQ(lu_preserve(self->fd, self->memfd, 1), 0);
	EXPECT_EQ(lu_preserve(self->fd, self->memfd, 2), -EBUSY);
	EXPECT_EQ(lu_preserve(self->fd, copy, 3), -EBUSY);
	EXPECT_EQ(lu_preserve(self->fd, again, 4), -EBUSY);
	EXPECT_EQ(lu_preserve(other, self->memfd, 1), -EBUSY);
	EXPECT_EQ(lu_preserve(other, copy, 1), -EBUSY);
	EXPECT_EQ(lu_preserve(other, again, 1), -EBUSY);

	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(lu_preserve(other, again, 1), 0);
	close(other);
	close(copy);
	close(again);
}

TEST_F(session, a_preserved_memfd_keeps_its_size_until_the_session_is_closed)
{
	ASSERT_EQ(lu_preserve(self->fd, self->memfd, 1), 0);
	EXPECT_EQ(ftruncate(self->memfd, 2 * PAGE), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(ftruncate(self->memfd, 0), -1);
	EXPECT_EQ(errno, EPERM);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(ftruncate(self->memfd, 2 * PAGE), 0);
	EXPECT_EQ(ftruncate(self->memfd, 0), 0);
}

TEST_F(session, a_refused_preserve_leaves_the_memfd_as_it_was)
{
	int taken = memfd_create("taken", 0);

	ASSERT_EQ(lu_preserve(self->fd, taken, 1), 0);
	EXPECT_EQ(lu_preserve(self->fd, self->memfd, 1), -EEXIST);
	EXPECT_EQ(ftruncate(self->memfd, 3 * PAGE), 0);
	EXPECT_EQ(write(self->memfd, "x", 1), 1);
	EXPECT_EQ(lu_preserve(self->fd, self->memfd, 2), 0);
	close(taken);
}

TEST_F(session, an_empty_memfd_can_be_preserved)
{
	int empty = memfd_create("empty", 0);

	ASSERT_GE(empty, 0);
	EXPECT_EQ(lu_preserve(self->fd, empty, 1), 0);
	close(empty);
}

TEST_F(session, a_closed_memfd_stays_preserved)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->memfd);
	again = open(path, O_RDWR);
	ASSERT_GE(again, 0);
	ASSERT_EQ(lu_preserve(self->fd, self->memfd, 1), 0);
	close(self->memfd);
	self->memfd = again;
	EXPECT_EQ(lu_preserve(self->fd, again, 2), -EBUSY);
}

TEST_F(session, the_last_holder_ends_it_even_when_killed)
{
	int other = lu_create(self->device, "other");
	int status;
	pid_t pid;

	ASSERT_GE(other, 0);
	ASSERT_EQ(lu_preserve(self->fd, self->memfd, 1), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(other);
		for (;;)
			sleep(60);
	}
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(lu_preserve(other, self->memfd, 1), -EBUSY);
	EXPECT_EQ(lu_create(self->device, "contract"), -EEXIST);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(lu_preserve(other, self->memfd, 1), 0);
	close(other);
}

TEST_F(session, three_hundred_files_fit_and_are_given_back)
{
	static int fds[MANY_FILES];
	int next = lu_next_fd();

	ASSERT_EQ(lu_allow_fds(MANY_FILES), 0);
	for (int i = 0; i < MANY_FILES; i++) {
		fds[i] = memfd_create("many", 0);
		ASSERT_GE(fds[i], 0);
		ASSERT_EQ(lu_preserve(self->fd, fds[i], i * 7919ULL), 0);
	}
	close(self->fd);
	self->fd = lu_create(self->device, "contract");
	ASSERT_GE(self->fd, 0);
	for (int i = MANY_FILES - 1; i >= 0; i--)
		ASSERT_EQ(lu_preserve(self->fd, fds[i], i), 0);
	for (int i = 0; i < MANY_FILES; i++)
		close(fds[i]);
	EXPECT_EQ(lu_next_fd(), next);
}

/* So many cycles take half a minute on a kernel with KASAN and lockdep. */
TEST_F(session, preserving_and_giving_back_leaks_no_memory)
{
	int memfd = memfd_create("cycles", 0);
	long before = 0, after;

	ASSERT_GE(memfd, 0);
	ASSERT_EQ(ftruncate(memfd, 256 * PAGE), 0);
	for (int cycle = 0; cycle < 2010; cycle++) {
		int session = lu_create(self->device, "cycle");

		ASSERT_GE(session, 0);
		ASSERT_EQ(lu_preserve(session, memfd, 1), 0);
		ASSERT_EQ(close(session), 0);
		/* The first rounds fill caches. */
		if (cycle == 9)
			before = lu_meminfo("MemFree");
	}
	after = lu_meminfo("MemFree");
	/*
	 * One leaked page a cycle is 8000 KiB; free lists move by one or two
	 * thousand. KASAN's quarantine and shadow and kmemleak's records grow by
	 * more. On such kernels the cycles are for kmemleak, which init asks
	 * afterwards.
	 */
	if (lu_free_memory_tells())
		EXPECT_GT(after, before - 4000);
	close(memfd);
}

TEST_HARNESS_MAIN
