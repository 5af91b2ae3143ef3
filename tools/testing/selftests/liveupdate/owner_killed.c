// SPDX-License-Identifier: GPL-2.0
/*
 * Who has a session for the next kernel is killed, whatever he is doing: names,
 * tokens, files and memory are as if there had been no session. See
 * heir_killed.c for sessions of the previous kernel.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define TOKEN		0x7357ULL
#define NAME		"killed"

#define FILES		5
#define FILE_SIZE	(16 * PAGE)

/* So large that preserving it takes a while, for its holes are filled. */
#define BIG		(64UL << 20)
#define KILLS_INSIDE	12

#define CYCLES		300
/* After so many cycles caches are filled. */
#define WARM_UP		30

/* What a child is doing: its parent sees it even when it is dead. */
enum { BEFORE, INSIDE, AFTER };

FIXTURE(owner)
{
	int device;
	volatile int *progress;
};

FIXTURE_SETUP(owner)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	self->progress = lu_shared_memory(sizeof(*self->progress));
	ASSERT_NE(self->progress, NULL);
	ASSERT_TRUE(lu_count_free_memory_exactly());
}

FIXTURE_TEARDOWN(owner)
{
	close(self->device);
}

static int new_memfd(unsigned int seed)
{
	int fd = memfd_create("owner", 0);

	return fd >= 0 && lu_fill(fd, 0, FILE_SIZE, seed) ? fd : -1;
}

/* What a killed owner leaves: nothing. @memfd was in its session, or is -1. */
static bool is_all_usable(int device, int memfd)
{
	int session = lu_create(device, NAME);
	bool usable = session >= 0;

	if (memfd >= 0) {
		off_t size = lseek(memfd, 0, SEEK_END);

		usable = usable && ftruncate(memfd, size + PAGE) == 0 &&
			 ftruncate(memfd, size) == 0 &&
			 lu_preserve(session, memfd, TOKEN) == 0 &&
			 lu_preserve(session, memfd, TOKEN + 1) == -EBUSY;
	}
	return close(session) == 0 && usable;
}

/*
 * A child that makes a session, puts the first @count of @fds into it, says so and
 * waits to be killed.
 */
static pid_t start_owner(int device, volatile int *progress, const int *fds,
			 unsigned int count)
{
	int session;
	pid_t pid;

	*progress = BEFORE;
	pid = fork();
	if (pid)
		return pid;
	lu_die_with_parent();
	session = lu_create(device, NAME);
	if (session < 0)
		_exit(1);
	for (unsigned int i = 0; i < count; i++) {
		if (lu_preserve(session, fds[i], TOKEN + i))
			_exit(2);
	}
	*progress = AFTER;
	for (;;)
		sleep(60);
}

TEST_F(owner, killed_with_an_empty_session)
{
	pid_t pid = start_owner(self->device, self->progress, NULL, 0);

	ASSERT_GE(pid, 0);
	ASSERT_TRUE(lu_comes_true(*self->progress == AFTER));
	EXPECT_EQ(lu_create(self->device, NAME), -EEXIST);
	ASSERT_TRUE(lu_kill(pid));
	EXPECT_TRUE(is_all_usable(self->device, -1));
}

TEST_F(owner, killed_with_files_in_it)
{
	int fds[FILES];
	pid_t pid;

	for (int i = 0; i < FILES; i++) {
		fds[i] = new_memfd(i + 1);
		ASSERT_GE(fds[i], 0);
	}
	pid = start_owner(self->device, self->progress, fds, FILES);
	ASSERT_GE(pid, 0);
	ASSERT_TRUE(lu_comes_true(*self->progress == AFTER));
	EXPECT_EQ(ftruncate(fds[0], 2 * FILE_SIZE), -1);
	ASSERT_TRUE(lu_kill(pid));
	for (int i = 0; i < FILES; i++) {
		EXPECT_TRUE(is_all_usable(self->device, fds[i]));
		EXPECT_EQ(lu_wrong(fds[i], 0, FILE_SIZE, i + 1), FILE_SIZE);
	}
}

TEST_F(owner, killed_with_files_that_only_the_session_has)
{
	long before = lu_free_memory();
	pid_t pid;

	*self->progress = BEFORE;
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int session = lu_create(self->device, NAME);
		int big = memfd_create("big", 0);

		lu_die_with_parent();
		if (ftruncate(big, BIG) || lu_preserve(session, big, TOKEN))
			_exit(1);
		close(big);
		*self->progress = AFTER;
		for (;;)
			sleep(60);
	}
	ASSERT_TRUE(lu_comes_true(*self->progress == AFTER));
	if (lu_free_memory_tells()) {
		EXPECT_LT(lu_free_memory(), before - (long)(BIG >> 10) * 9 / 10);
	}
	ASSERT_TRUE(lu_kill(pid));
	EXPECT_TRUE(is_all_usable(self->device, -1));
	if (lu_free_memory_tells()) {
		EXPECT_GT(lu_free_memory(), before - (long)(BIG >> 10) / 10);
	}
}

TEST_F(owner, killed_while_another_one_has_the_session_too)
{
	int memfd = new_memfd(1), session;
	pid_t pid = start_owner(self->device, self->progress, &memfd, 1);

	ASSERT_GE(pid, 0);
	ASSERT_GE(memfd, 0);
	ASSERT_TRUE(lu_comes_true(*self->progress == AFTER));
	session = lu_take_fd(pid, lu_next_fd());
	ASSERT_GE(session, 0);
	ASSERT_TRUE(lu_kill(pid));
	EXPECT_EQ(lu_create(self->device, NAME), -EEXIST);
	EXPECT_EQ(lu_preserve(session, memfd, TOKEN + 1), -EBUSY);
	close(session);
	EXPECT_TRUE(is_all_usable(self->device, memfd));
}

/* Starts one who puts @memfd into a session, kills him after some time, and says where. */
static int kill_inside_preserve(int device, volatile int *progress, int memfd,
				unsigned int delay)
{
	int status;
	pid_t pid;

	*progress = BEFORE;
	pid = fork();
	if (pid < 0)
		return pid;
	if (!pid) {
		int session = lu_create(device, NAME);

		lu_die_with_parent();
		if (session < 0)
			_exit(1);
		*progress = INSIDE;
		lu_die_in(delay);
		if (lu_preserve(session, memfd, TOKEN))
			_exit(2);
		*progress = AFTER;
		for (;;)
			sleep(60);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? *progress : -1;
}

TEST_F(owner, killed_inside_of_preserving_a_large_file)
{
	unsigned long random = lu_seed(0);
	long before = lu_free_memory(), after, took;
	int where, inside = 0;

	/* How long it takes when nobody disturbs it. */
	int memfd = memfd_create("big", 0);
	int session = lu_create(self->device, NAME);

	ASSERT_GE(session, 0);
	ASSERT_EQ(ftruncate(memfd, BIG), 0);
	took = lu_now();
	ASSERT_EQ(lu_preserve(session, memfd, TOKEN), 0);
	took = lu_now() - took;
	close(session);
	close(memfd);

	for (int i = 0; i < KILLS_INSIDE; i++) {
		memfd = memfd_create("big", 0);
		ASSERT_EQ(ftruncate(memfd, BIG), 0);
		ASSERT_TRUE(lu_fill(memfd, BIG / 2, BIG / 2 + FILE_SIZE, i + 1));
		where = kill_inside_preserve(self->device, self->progress, memfd,
					     1 + lu_random(&random, took));
		ASSERT_GE(where, 0);
		inside += where == INSIDE;
		EXPECT_TRUE(is_all_usable(self->device, memfd));
		EXPECT_EQ(lu_wrong(memfd, BIG / 2, BIG / 2 + FILE_SIZE, i + 1),
			  BIG / 2 + FILE_SIZE);
		close(memfd);
	}
	after = lu_free_memory();
	printf("# %d of %d inside, which takes %ld us\n", inside, KILLS_INSIDE, took);
	EXPECT_GT(inside, 0);
	if (lu_free_memory_tells()) {
		EXPECT_GT(after, before - (long)(BIG >> 10) / 2);
	}
}

/* A kernel that looks for its own leaks does so afterwards, and takes memory for it. */
TEST_F(owner, killed_many_times_and_no_memory_is_lost)
{
	unsigned long random = lu_seed(1);
	int fds[FILES];
	long before = 0, after;

	for (int i = 0; i < FILES; i++) {
		fds[i] = new_memfd(i + 1);
		ASSERT_GE(fds[i], 0);
	}
	for (int cycle = 0; cycle < CYCLES; cycle++) {
		pid_t pid = start_owner(self->device, self->progress, fds, FILES);

		ASSERT_GE(pid, 0);
		/* Half of them are anywhere. */
		if (lu_random(&random, 2)) {
			ASSERT_TRUE(lu_comes_true(*self->progress == AFTER));
		} else {
			lu_linger(lu_random(&random, 1000));
		}
		ASSERT_TRUE(lu_kill(pid));
		if (cycle == WARM_UP - 1)
			before = lu_free_memory();
	}
	after = lu_free_memory();
	printf("# %ld KiB less after %d cycles\n", before - after, CYCLES - WARM_UP);
	/* A session with files takes more pages, and so does a memfd by itself. */
	if (lu_free_memory_tells()) {
		EXPECT_GT(after, before - (long)((CYCLES - WARM_UP) * 2 * PAGE >> 10));
	}
	for (int i = 0; i < FILES; i++)
		EXPECT_TRUE(is_all_usable(self->device, fds[i]));
}

TEST_HARNESS_MAIN
