// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptors of sessions, and of the device, that come from another process:
 * they are as good as its own, and outlive it. They are passed on by
 * pidfd_getfd(), which needs no sockets.
 *
 * Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define FILE_SIZE	(16 * PAGE)

/* What a child has, for others to take. */
struct offer {
	int device, session, file;
	/* Everything above is set, or what went wrong. */
	int ready;
};

static volatile struct offer *offer;

static int new_memfd(unsigned int seed)
{
	int fd = memfd_create("passed", 0);

	return fd >= 0 && lu_fill(fd, 0, FILE_SIZE, seed) ? fd : -1;
}

/*
 * A child that does something and offers what came of it. It runs in a new table of
 * descriptors, from which the device and the like of its parent are gone.
 */
static pid_t start(void (*act)(void))
{
	pid_t pid;

	offer->device = -1;
	offer->session = -1;
	offer->file = -1;
	offer->ready = 0;
	pid = fork();
	if (pid)
		return pid;
	lu_die_with_parent();
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	act();
	offer->ready = 1;
	for (;;)
		sleep(60);
}

static bool is_right(const volatile int *ready)
{
	return lu_comes_true(*ready) && *ready == 1;
}

/* In a child: nothing more is offered, and the parent is told the line. */
#define OFFER(condition)						\
	do {								\
		if (!(condition)) {					\
			offer->ready = -__LINE__;			\
			_exit(1);					\
		}							\
	} while (0)

static bool has_name(int session, const char *name)
{
	struct liveupdate_session_get_name args = { .size = sizeof(args) };

	return !lu_ioctl(session, LIVEUPDATE_SESSION_GET_NAME, &args) &&
	       !strcmp((char *)args.name, name);
}

/* Stage 1. */

/* What a child makes with its own open device. */
static void make(const char *name)
{
	offer->device = open(LU_DEVICE, O_RDWR);
	OFFER(offer->device >= 0);
	offer->session = lu_create(offer->device, name);
	OFFER(offer->session >= 0);
	offer->file = new_memfd(1);
	OFFER(offer->file >= 0);
	OFFER(lu_preserve(offer->session, offer->file, 1) == 0);
}

static void make_passed_on(void)
{
	make("passed-on");
}

static void make_given_back(void)
{
	make("given-back");
}

static int prepare(void)
{
	int device, session, file;
	pid_t pid;

	offer = lu_shared_memory(sizeof(*offer));
	NEED(offer);

	/* Who takes the session and the device has them when the other one is dead. */
	pid = start(make_passed_on);
	NEED(pid >= 0 && is_right(&offer->ready));
	device = lu_take_fd(pid, offer->device);
	session = lu_take_fd(pid, offer->session);
	NEED(device >= 0 && session >= 0);
	NEED(open(LU_DEVICE, O_RDWR) == -1 && errno == EBUSY);
	NEED(has_name(session, "passed-on"));
	NEED(lu_kill(pid));
	NEED(open(LU_DEVICE, O_RDWR) == -1 && errno == EBUSY);
	NEED(has_name(session, "passed-on"));
	NEED(lu_create(device, "passed-on") == -EEXIST);
	NEED(lu_preserve(session, new_memfd(9), 1) == -EEXIST);
	NEED(lu_preserve(session, new_memfd(2), 2) == 0);

	/* Not so if it takes the file alone. */
	close(device);
	pid = start(make_given_back);
	NEED(pid >= 0 && is_right(&offer->ready));
	file = lu_take_fd(pid, offer->file);
	NEED(file >= 0);
	NEED(lu_preserve(session, file, 3) == -EBUSY);
	NEED(lu_kill(pid));
	device = open(LU_DEVICE, O_RDWR);
	NEED(device >= 0);
	NEED(lu_preserve(session, file, 3) == 0);

	/* Nor if it gives the session back, too. */
	close(device);
	pid = start(make_given_back);
	NEED(pid >= 0 && is_right(&offer->ready));
	NEED(close(lu_take_fd(pid, offer->session)) == 0);
	device = lu_take_fd(pid, offer->device);
	NEED(device >= 0);
	NEED(lu_create(device, "given-back") == -EEXIST);
	NEED(lu_kill(pid));

	/* For the second stage. */
	for (int i = 0; i < 3; i++) {
		char name[32];

		snprintf(name, sizeof(name), "inherited-%d", i);
		session = lu_create(device, name);
		NEED(session >= 0);
		NEED(lu_preserve(session, new_memfd(1), 1) == 0);
		NEED(lu_preserve(session, new_memfd(2), 2) == 0);
	}
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

/* Stage 2. */

FIXTURE(passed_on)
{
	pid_t pid;
};

FIXTURE_SETUP(passed_on)
{
	offer = lu_shared_memory(sizeof(*offer));
	ASSERT_NE(offer, NULL);
}

FIXTURE_TEARDOWN(passed_on)
{
}

static bool is_whole(int fd, unsigned int seed)
{
	return fd >= 0 && lu_wrong(fd, 0, FILE_SIZE, seed) == FILE_SIZE;
}

/* What a child takes over with its own open device. */
static void take_over(const char *name)
{
	offer->device = open(LU_DEVICE, O_RDWR);
	OFFER(offer->device >= 0);
	offer->session = lu_retrieve_session(offer->device, name);
	OFFER(offer->session >= 0);
	offer->file = lu_retrieve(offer->session, 1);
	OFFER(offer->file >= 0);
	OFFER(is_whole(offer->file, 1));
	OFFER(lseek(offer->file, 17, SEEK_SET) == 17);
}

static void take_over_first(void)
{
	take_over("inherited-0");
}

static void take_over_second(void)
{
	take_over("inherited-1");
}

static void take_over_third(void)
{
	take_over("inherited-2");
}

TEST_F(passed_on, a_session_for_the_next_kernel_came_whoever_made_it)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session;

	ASSERT_GE(device, 0);
	session = lu_retrieve_session(device, "passed-on");
	ASSERT_GE(session, 0);
	EXPECT_TRUE(is_whole(lu_retrieve(session, 1), 1));
	EXPECT_TRUE(is_whole(lu_retrieve(session, 2), 2));
	EXPECT_TRUE(is_whole(lu_retrieve(session, 3), 1));
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_EQ(lu_retrieve_session(device, "given-back"), -ENOENT);
}

TEST_F(passed_on, a_session_of_the_previous_kernel_outlives_who_retrieved_it)
{
	pid_t pid = start(take_over_first);
	int device, session, fd;

	ASSERT_GE(pid, 0);
	ASSERT_TRUE(is_right(&offer->ready));
	device = lu_take_fd(pid, offer->device);
	session = lu_take_fd(pid, offer->session);
	ASSERT_GE(device, 0);
	ASSERT_GE(session, 0);
	EXPECT_TRUE(has_name(session, "inherited-0"));
	ASSERT_TRUE(lu_kill(pid));
	EXPECT_EQ(lu_retrieve_session(device, "inherited-0"), -EINVAL);
	fd = lu_retrieve(session, 1);
	ASSERT_GE(fd, 0);
	/* The one that the other process had. */
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 17);
	EXPECT_TRUE(is_whole(fd, 1));
	EXPECT_TRUE(is_whole(lu_retrieve(session, 2), 2));
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_EQ(lu_retrieve(session, 1), -ENOENT);
	close(session);
	EXPECT_EQ(lu_retrieve_session(device, "inherited-0"), -ENOENT);
}

TEST_F(passed_on, a_file_of_it_outlives_the_session)
{
	pid_t pid = start(take_over_second);
	int device, next, fd;

	ASSERT_GE(pid, 0);
	ASSERT_TRUE(is_right(&offer->ready));
	fd = lu_take_fd(pid, offer->file);
	ASSERT_GE(fd, 0);
	ASSERT_TRUE(lu_kill(pid));
	device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(device, 0);
	EXPECT_EQ(lu_retrieve_session(device, "inherited-1"), -ENOENT);
	EXPECT_TRUE(is_whole(fd, 1));
	/* Nothing of the old session is left that would keep it out of a new one. */
	next = lu_create(device, "inherited-1");
	ASSERT_GE(next, 0);
	EXPECT_EQ(lu_preserve(next, fd, 1), 0);
}

TEST_F(passed_on, finished_by_one_it_is_finished_for_the_other)
{
	pid_t pid = start(take_over_third);
	int session, device, fd;

	ASSERT_GE(pid, 0);
	ASSERT_TRUE(is_right(&offer->ready));
	device = lu_take_fd(pid, offer->device);
	session = lu_take_fd(pid, offer->session);
	fd = lu_take_fd(pid, offer->file);
	ASSERT_GE(device, 0);
	ASSERT_GE(session, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
	close(session);
	session = lu_take_fd(pid, offer->session);
	ASSERT_GE(session, 0);
	EXPECT_EQ(lu_retrieve(session, 2), -ENOENT);
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_TRUE(is_whole(fd, 1));
	close(session);
	/* Its name goes with its last descriptor. */
	EXPECT_EQ(lu_retrieve_session(device, "inherited-2"), -EINVAL);
	ASSERT_TRUE(lu_kill(pid));
	EXPECT_EQ(lu_retrieve_session(device, "inherited-2"), -ENOENT);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
