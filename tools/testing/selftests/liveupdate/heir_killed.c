// SPDX-License-Identifier: GPL-2.0
/*
 * Who has a session of the previous kernel is killed, whatever he is doing: the
 * session is finished, what others have of it is theirs, the rest is free again.
 * See owner_killed.c for sessions for the next kernel. Run with "-s 1" before the
 * live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

/* In each session, the last one being large. */
#define FILES		3
#define BIG_TOKEN	(FILES - 1)
#define SMALL		(16 * PAGE)
#define BIG		(8UL << 20)
/* What free memory is at least more or less by when that of BIG is. */
#define MOST_OF_BIG	((long)(BIG >> 10) * 9 / 10)
#define LITTLE		((long)(BIG >> 10) / 10)

/* Sessions to be killed in while something is being done to them. */
#define KILLS_INSIDE	20
/* After up to so many microseconds, as a power of two. */
#define LONGEST_DELAY	10

static const char *const names[] = {
	"before-any", "between", "after-all", "passed-on", "finished", "closed",
};

static unsigned long size_of(unsigned int token)
{
	return token == BIG_TOKEN ? BIG : SMALL;
}

/* Stage 1. */

/*
 * Fills a large file by pages of which none is next to the one before it, as their
 * bits are reversed: they do not follow each other in memory, and it takes a while
 * to retrieve or to free them.
 */
static bool scatter(int fd, unsigned int seed)
{
	for (unsigned long i = 0; i < BIG / PAGE; i++) {
		unsigned long page = 0;

		for (unsigned long bit = 1; bit < BIG / PAGE; bit <<= 1)
			page = page << 1 | !!(i & bit);
		if (!lu_fill(fd, page * PAGE, (page + 1) * PAGE, seed))
			return false;
	}
	return true;
}

static void prepare_session(int device, const char *name)
{
	int session = lu_create(device, name);

	NEED(session >= 0);
	for (unsigned int token = 0; token < FILES; token++) {
		int fd = memfd_create("heir", 0);

		NEED(fd >= 0 && ftruncate(fd, size_of(token)) == 0);
		if (token == BIG_TOKEN)
			NEED(scatter(fd, token + 1));
		else
			NEED(lu_fill(fd, 0, size_of(token), token + 1));
		NEED(lu_preserve(session, fd, token) == 0);
		close(fd);
	}
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	char name[32];

	NEED(device >= 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		prepare_session(device, names[i]);
	for (int i = 0; i < KILLS_INSIDE; i++) {
		snprintf(name, sizeof(name), "retrieving-%d", i);
		prepare_session(device, name);
		snprintf(name, sizeof(name), "finishing-%d", i);
		prepare_session(device, name);
	}
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

/* Stage 2. */

/* What a child is doing: its parent sees it even when it is dead. */
enum { BEFORE, INSIDE, AFTER };

FIXTURE(heir)
{
	int device;
	volatile int *progress;
};

FIXTURE_SETUP(heir)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	self->progress = lu_shared_memory(sizeof(*self->progress));
	ASSERT_NE(self->progress, NULL);
	ASSERT_TRUE(lu_count_free_memory_exactly());
}

FIXTURE_TEARDOWN(heir)
{
	close(self->device);
}

/*
 * A child that takes a session and the first @files files of it, does something
 * more, and waits to be killed; or is so after a @delay in microseconds.
 */
static pid_t start_heir(int device, volatile int *progress, const char *name,
			unsigned int files, void (*then)(int session),
			unsigned int delay)
{
	int session;
	pid_t pid;

	*progress = BEFORE;
	pid = fork();
	if (pid)
		return pid;
	lu_die_with_parent();
	session = lu_retrieve_session(device, name);
	if (session < 0)
		_exit(1);
	for (unsigned int token = 0; token < files; token++) {
		int fd = lu_retrieve(session, token);

		if (fd < 0 || lu_wrong(fd, 0, size_of(token), token + 1) != size_of(token))
			_exit(2);
	}
	if (then) {
		*progress = INSIDE;
		if (delay)
			lu_die_in(delay);
		then(session);
	}
	*progress = AFTER;
	for (;;)
		sleep(60);
}

/* What a killed heir leaves of a session: nothing. Its name may be used for the next kernel. */
static bool is_gone(int device, const char *name)
{
	int next;
	bool gone = lu_retrieve_session(device, name) == -ENOENT;

	next = lu_create(device, name);
	return gone && next >= 0 && close(next) == 0;
}

/* The large file of a session, and what described it, is free again. */
static void expect_freed(struct __test_metadata *_metadata, long before)
{
	if (lu_free_memory_tells()) {
		EXPECT_GT(lu_free_memory(), before + MOST_OF_BIG);
	}
}

static void kill_after(struct __test_metadata *_metadata, int device,
		       volatile int *progress, const char *name, unsigned int files,
		       void (*then)(int session))
{
	long before = lu_free_memory();
	pid_t pid = start_heir(device, progress, name, files, then, 0);

	ASSERT_GE(pid, 0);
	ASSERT_TRUE(lu_comes_true(*progress == AFTER));
	ASSERT_TRUE(lu_kill(pid));
	EXPECT_TRUE(is_gone(device, name));
	expect_freed(_metadata, before);
}

TEST_F(heir, killed_before_he_asked_for_any_file)
{
	kill_after(_metadata, self->device, self->progress, "before-any", 0, NULL);
}

TEST_F(heir, killed_when_he_had_some_of_the_files)
{
	kill_after(_metadata, self->device, self->progress, "between", 1, NULL);
}

TEST_F(heir, killed_when_he_had_all_files)
{
	kill_after(_metadata, self->device, self->progress, "after-all", FILES, NULL);
}

static void finish(int session)
{
	if (lu_finish(session, 0))
		_exit(3);
}

TEST_F(heir, killed_after_finish)
{
	kill_after(_metadata, self->device, self->progress, "finished", FILES, finish);
}

static void finish_by_close(int session)
{
	close(session);
}

TEST_F(heir, killed_after_he_closed_it)
{
	kill_after(_metadata, self->device, self->progress, "closed", 0, finish_by_close);
}

TEST_F(heir, killed_when_another_one_had_a_file_of_his)
{
	int next = lu_create(self->device, "next");
	long before = lu_free_memory();
	/* The session and the files are the child's first free descriptors. */
	int big, lowest = lu_next_fd();
	pid_t pid;

	pid = start_heir(self->device, self->progress, "passed-on", FILES, NULL, 0);
	ASSERT_GE(pid, 0);
	ASSERT_TRUE(lu_comes_true(*self->progress == AFTER));
	big = lu_take_fd(pid, lowest + 1 + BIG_TOKEN);
	ASSERT_GE(big, 0);
	EXPECT_EQ(lu_preserve(next, big, 0), -EBUSY);
	ASSERT_TRUE(lu_kill(pid));
	EXPECT_TRUE(is_gone(self->device, "passed-on"));
	EXPECT_EQ(lu_wrong(big, 0, BIG, BIG_TOKEN + 1), BIG);
	if (lu_free_memory_tells()) {
		EXPECT_LT(lu_free_memory(), before + LITTLE);
	}
	/* It is his now, as any other. */
	EXPECT_EQ(ftruncate(big, 2 * BIG), 0);
	EXPECT_EQ(ftruncate(big, BIG), 0);
	EXPECT_EQ(lu_preserve(next, big, 0), 0);
	close(next);
	close(big);
	expect_freed(_metadata, before);
}

/* Kills one who does something to a session of each number while he is at it. */
static void kill_inside(struct __test_metadata *_metadata, int device,
			volatile int *progress, const char *kind,
			void (*act)(int session))
{
	unsigned long random = lu_seed(act == finish);
	int inside = 0;

	for (int i = 0; i < KILLS_INSIDE; i++) {
		long before = lu_free_memory();
		unsigned int delay;
		char name[32];
		int status;
		pid_t pid;

		snprintf(name, sizeof(name), "%s-%d", kind, i);
		/* How long it takes depends on the machine. */
		delay = 1 + lu_random(&random, 1 << i % LONGEST_DELAY);
		pid = start_heir(device, progress, name, 0, act, delay);
		ASSERT_GE(pid, 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		ASSERT_TRUE(WIFSIGNALED(status));
		inside += *progress == INSIDE;
		EXPECT_TRUE(is_gone(device, name));
		expect_freed(_metadata, before);
	}
	printf("# %d of %d inside\n", inside, KILLS_INSIDE);
	EXPECT_GT(inside, 0);
}

static void retrieve_big(int session)
{
	if (lu_retrieve(session, BIG_TOKEN) < 0)
		_exit(3);
}

TEST_F(heir, killed_inside_of_retrieving_a_large_file)
{
	kill_inside(_metadata, self->device, self->progress, "retrieving", retrieve_big);
}

TEST_F(heir, killed_inside_of_finish)
{
	kill_inside(_metadata, self->device, self->progress, "finishing", finish);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
