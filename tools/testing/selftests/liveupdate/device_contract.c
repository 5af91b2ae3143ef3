// SPDX-License-Identifier: GPL-2.0
/*
 * The contract of /dev/liveupdate as include/uapi/linux/liveupdate.h states it:
 * the device. See session_contract.c for sessions, and incoming_contract.c for
 * those from the previous kernel.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define MANY_SESSIONS	1000

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

TEST_HARNESS_MAIN
