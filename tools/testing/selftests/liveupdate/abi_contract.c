// SPDX-License-Identifier: GPL-2.0
/*
 * The contract of /dev/liveupdate as include/uapi/linux/liveupdate.h states it,
 * as far as it can be seen without a live update. See incoming_contract.c for
 * the rest.
 */

#include "lu_test.h"
#include "kselftest_harness.h"

#define PAGE		4096UL
#define MANY_SESSIONS	1000
#define MANY_FILES	300

/* Some place in the address space where nothing is mapped. */
#define NOWHERE		((void *)8)

FIXTURE(device)
{
	int fd;
	int next_fd;
};

FIXTURE_SETUP(device)
{
	self->fd = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->fd, 0);
	self->next_fd = lu_next_fd();
}

FIXTURE_TEARDOWN(device)
{
	close(self->fd);
}

/* No ioctl that failed may have left a descriptor behind. */
#define EXPECT_NO_LEAK() EXPECT_EQ(lu_next_fd(), self->next_fd)

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

TEST_F(device, a_second_opener_is_busy_and_a_later_one_is_not)
{
	EXPECT_EQ(open(LU_DEVICE, O_RDWR), -1);
	EXPECT_EQ(errno, EBUSY);
	close(self->fd);
	self->fd = open(LU_DEVICE, O_RDWR);
	EXPECT_GE(self->fd, 0);
}

TEST_F(device, a_copy_of_the_descriptor_keeps_the_device_busy)
{
	int copy = dup(self->fd);

	ASSERT_GE(copy, 0);
	close(self->fd);
	EXPECT_EQ(open(LU_DEVICE, O_RDWR), -1);
	EXPECT_EQ(errno, EBUSY);
	self->fd = copy;
}

/* The kernel may say either: the header promises ENOTTY, mainline says EINVAL. */
#define EXPECT_UNKNOWN(err) EXPECT_TRUE((err) == -ENOTTY || (err) == -EINVAL)

TEST_F(device, unknown_numbers_are_refused)
{
	struct liveupdate_ioctl_create_session args = {
		.size = sizeof(args),
		.name = "unknown",
	};

	EXPECT_UNKNOWN(lu_ioctl(self->fd, _IO(LIVEUPDATE_IOCTL_TYPE, 0x1f), &args));
	EXPECT_UNKNOWN(lu_ioctl(self->fd, _IO(LIVEUPDATE_IOCTL_TYPE, 0xff), &args));
	EXPECT_UNKNOWN(lu_ioctl(self->fd, LIVEUPDATE_SESSION_FINISH, &args));
	EXPECT_UNKNOWN(lu_ioctl(self->fd, LIVEUPDATE_SESSION_GET_NAME, &args));
	EXPECT_NO_LEAK();
}

TEST_F(device, a_known_number_with_other_bits_is_unknown)
{
	struct liveupdate_ioctl_create_session args = {
		.size = sizeof(args),
		.name = "other-bits",
	};

	EXPECT_EQ(lu_ioctl(self->fd, _IOWR(LIVEUPDATE_IOCTL_TYPE,
					   LIVEUPDATE_CMD_CREATE_SESSION,
					   struct liveupdate_ioctl_create_session),
			   &args), -ENOTTY);
	EXPECT_EQ(lu_ioctl(self->fd, _IO(0xBB, LIVEUPDATE_CMD_CREATE_SESSION),
			   &args), -ENOTTY);
	EXPECT_NO_LEAK();
}

TEST_F(device, wild_pointers_are_a_fault)
{
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION, NULL),
		  -EFAULT);
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, NOWHERE),
		  -EFAULT);
	EXPECT_NO_LEAK();
}

TEST_F(device, a_structure_that_ends_in_unmapped_memory_is_a_fault)
{
	struct liveupdate_ioctl_create_session *args;
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(munmap(map + PAGE, PAGE), 0);
	args = (void *)(map + PAGE - 16);
	args->size = sizeof(*args);
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION, args),
		  -EFAULT);

	args = (void *)(map + PAGE - sizeof(*args));
	args->size = sizeof(*args) + 8;
	strcpy((char *)args->name, "cut-tail");
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION, args),
		  -EFAULT);
	EXPECT_NO_LEAK();
}

TEST_F(device, an_answer_that_cannot_be_written_leaves_no_session_behind)
{
	struct liveupdate_ioctl_create_session *args;
	int session;

	args = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(args, MAP_FAILED);
	args->size = sizeof(*args);
	strcpy((char *)args->name, "no-answer");
	ASSERT_EQ(syscall(__NR_mprotect, args, PAGE, PROT_READ), 0);
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION, args),
		  -EFAULT);
	EXPECT_NO_LEAK();

	session = lu_create(self->fd, "no-answer");
	EXPECT_GE(session, 0);
	close(session);
}

TEST_F(device, smaller_structures_are_refused)
{
	static const unsigned int sizes[] = {
		0, 1, 4, 8,
		sizeof(struct liveupdate_ioctl_create_session) - 1,
	};
	struct liveupdate_ioctl_create_session args = { .name = "small" };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		args.size = sizes[i];
		EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION,
				   &args), -EINVAL);
		EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_RETRIEVE_SESSION,
				   &args), -EINVAL);
	}
	EXPECT_NO_LEAK();
}

TEST_F(device, a_larger_structure_is_fine_if_its_tail_is_zero)
{
	struct {
		struct liveupdate_ioctl_create_session known;
		unsigned char tail[24];
	} args = { .known = { .size = sizeof(args), .name = "large" } };

	for (size_t i = 0; i < sizeof(args.tail); i++) {
		args.tail[i] = 1;
		EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION,
				   &args), -E2BIG);
		args.tail[i] = 0;
	}
	EXPECT_NO_LEAK();

	ASSERT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION, &args), 0);
	EXPECT_GE(args.known.fd, 0);
	close(args.known.fd);
}

TEST_F(device, a_structure_need_not_be_aligned)
{
	static char buffer[sizeof(struct liveupdate_ioctl_create_session) + 1];
	struct liveupdate_ioctl_create_session args = {
		.size = sizeof(args),
		.name = "odd",
	};

	memcpy(buffer + 1, &args, sizeof(args));
	ASSERT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION,
			   buffer + 1), 0);
	memcpy(&args, buffer + 1, sizeof(args));
	EXPECT_GE(args.fd, 0);
	close(args.fd);
}

TEST_F(device, a_name_has_1_to_63_bytes)
{
	struct liveupdate_ioctl_create_session args = { .size = sizeof(args) };
	char name[LIVEUPDATE_SESSION_NAME_LENGTH + 1] = {};
	int session;

	EXPECT_EQ(lu_create(self->fd, ""), -EINVAL);
	memset(args.name, 'n', sizeof(args.name));
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION, &args),
		  -EINVAL);
	EXPECT_NO_LEAK();

	session = lu_create(self->fd, "n");
	EXPECT_GE(session, 0);
	close(session);
	memset(name, 'n', LIVEUPDATE_SESSION_NAME_LENGTH - 1);
	session = lu_create(self->fd, name);
	EXPECT_GE(session, 0);
	close(session);
}

TEST_F(device, bytes_behind_the_end_of_a_name_do_not_count)
{
	struct liveupdate_ioctl_create_session args = { .size = sizeof(args) };
	int session;

	memset(args.name, 'x', sizeof(args.name));
	strcpy((char *)args.name, "same");
	ASSERT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_CREATE_SESSION, &args), 0);
	session = lu_create(self->fd, "same");
	EXPECT_EQ(session, -EEXIST);
	close(args.fd);
}

TEST_F(device, a_name_is_taken_until_its_session_is_closed)
{
	int one = lu_create(self->fd, "taken");
	int two;

	ASSERT_GE(one, 0);
	EXPECT_EQ(lu_create(self->fd, "taken"), -EEXIST);
	two = lu_create(self->fd, "taken2");
	EXPECT_GE(two, 0);
	close(one);
	one = lu_create(self->fd, "taken");
	EXPECT_GE(one, 0);
	close(one);
	close(two);
	EXPECT_NO_LEAK();
}

TEST_F(device, sessions_that_never_were_cannot_be_retrieved)
{
	struct liveupdate_ioctl_retrieve_session args = { .size = sizeof(args) };
	int session = lu_create(self->fd, "outgoing");

	ASSERT_GE(session, 0);
	EXPECT_EQ(lu_retrieve_session(self->fd, "never"), -ENOENT);
	EXPECT_EQ(lu_retrieve_session(self->fd, "outgoing"), -ENOENT);
	EXPECT_EQ(lu_retrieve_session(self->fd, ""), -ENOENT);
	memset(args.name, 'n', sizeof(args.name));
	EXPECT_EQ(lu_ioctl(self->fd, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &args),
		  -ENOENT);
	close(session);
	EXPECT_NO_LEAK();
}

TEST_F(device, a_session_outlives_the_device_descriptor)
{
	int session = lu_create(self->fd, "outlives");
	int memfd = memfd_create("outlives", 0);

	ASSERT_GE(session, 0);
	ASSERT_GE(memfd, 0);
	close(self->fd);
	EXPECT_EQ(lu_preserve(session, memfd, 1), 0);
	self->fd = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(lu_create(self->fd, "outlives"), -EEXIST);
	close(session);
	close(memfd);
}

/* Creates @MANY_SESSIONS and closes them: @stride 1 forward, -1 backward, else in steps. */
static void many_sessions(struct __test_metadata *_metadata, int device,
			  int stride)
{
	static int fds[MANY_SESSIONS];
	char name[32];

	for (int i = 0; i < MANY_SESSIONS; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		fds[i] = lu_create(device, name);
		ASSERT_GE(fds[i], 0);
	}
	for (int i = 0; i < MANY_SESSIONS; i++) {
		int at = (i * stride) % MANY_SESSIONS;

		ASSERT_EQ(close(fds[at < 0 ? at + MANY_SESSIONS : at]), 0);
	}
}

TEST_F(device, a_thousand_sessions_may_be_closed_in_any_order)
{
	ASSERT_EQ(lu_allow_fds(MANY_SESSIONS), 0);
	many_sessions(_metadata, self->fd, 1);
	many_sessions(_metadata, self->fd, -1);
	/* 337 and 1000 have no common divisor, so every session has its turn. */
	many_sessions(_metadata, self->fd, 337);
	EXPECT_NO_LEAK();
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
	ASSERT_GE(huge, 0);
	ASSERT_EQ(pipe(ends), 0);
	EXPECT_EQ(lu_preserve(self->fd, null, 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, linked, 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, huge, 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, ends[0], 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, self->fd, 1), -ENOENT);
	EXPECT_EQ(lu_preserve(self->fd, self->device, 1), -ENOENT);
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

TEST_F(session, preserving_and_giving_back_leaks_no_memory)
{
	int memfd = memfd_create("cycles", 0);
	long before = 0, after;

	ASSERT_GE(memfd, 0);
	ASSERT_EQ(ftruncate(memfd, 256 * PAGE), 0);
	for (int cycle = 0; cycle < 510; cycle++) {
		int session = lu_create(self->device, "cycle");

		ASSERT_GE(session, 0);
		ASSERT_EQ(lu_preserve(session, memfd, 1), 0);
		ASSERT_EQ(close(session), 0);
		/* The first rounds fill caches. */
		if (cycle == 9)
			before = lu_meminfo("MemFree");
	}
	after = lu_meminfo("MemFree");
	/* One leaked page a cycle is 2000 KiB; free lists move by a few hundred. */
	EXPECT_GT(after, before - 1000);
	close(memfd);
}

TEST_HARNESS_MAIN
