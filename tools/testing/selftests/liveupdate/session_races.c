// SPDX-License-Identifier: GPL-2.0
/*
 * Many processes at once. Before the live update they make sessions, put files
 * into them and close them until the machine stops under their feet; each keeps a
 * ledger of how far it has come, in memory that goes along. After it they ask for
 * the same sessions and files, finish, close and get killed at the same time.
 *
 * Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "races.h"
#include "lu_harness.h"

/* Each has descriptors of its own, and some sessions that nobody else touches. */
#define WORKERS		6
#define SLOTS		3
#define FILES		6

/* All of these have one table of descriptors, and take sessions from each other. */
#define SHARERS		4
#define SHARED_NAMES	6
#define SHARED_FDS	4
#define FIRST_SHARED_FD	200
#define TOKENS		64

/* What each of them does at least before the reboot. */
#define ROUNDS		100

/* Those who want the same thing after the live update, and how often. */
#define RACERS		8
#define RACES		12
/* How often all of them are killed, which takes longer. */
#define KILLS		4

enum state { ABSENT, CREATING, OPEN, ADDING, CLOSING, STATES };

static const char *const state_names[STATES] = {
	"absent", "being created", "open", "getting a file", "being closed",
};

/* What a worker knows of a session before and after each call. */
struct slot {
	enum state state;
	unsigned int generation;
	unsigned int files;
};

struct ledger {
	struct slot slots[WORKERS][SLOTS];
	unsigned int rounds[WORKERS + SHARERS];
	/* The line in which something went wrong that must not. */
	unsigned int wrong;
};

static volatile struct ledger *ledger;

/* Stage 1. */

static void name_of(char *name, size_t size, unsigned int who, unsigned int slot)
{
	snprintf(name, size, "own-%u-%u", who, slot);
}

static void work(int device, unsigned int who)
{
	unsigned long random = lu_seed(who);
	struct label label = { .who = who };
	int sessions[SLOTS];
	char name[32];

	for (;; ledger->rounds[who]++) {
		unsigned int number = lu_random(&random, SLOTS);
		volatile struct slot *slot = &ledger->slots[who][number];
		int fd;

		if (slot->state == ABSENT) {
			name_of(name, sizeof(name), who, number);
			slot->generation++;
			slot->files = 0;
			slot->state = CREATING;
			sessions[number] = lu_create(device, name);
			MUST(sessions[number] >= 0);
			slot->state = OPEN;
			continue;
		}
		if (slot->files == FILES || !lu_random(&random, FILES)) {
			slot->state = CLOSING;
			if (lu_random(&random, 4))
				MUST(close(sessions[number]) == 0);
			else
				MUST(close_by_dying(sessions[number]));
			slot->state = ABSENT;
			continue;
		}
		label.slot = number;
		label.generation = slot->generation;
		label.token = slot->files;
		label.number++;
		label.pages = 1 + lu_random(&random, MOST_PAGES);
		fd = make_file(&label);
		MUST(fd >= 0);
		slot->state = ADDING;
		MUST(lu_preserve(sessions[number], fd, label.token) == 0);
		slot->files++;
		slot->state = OPEN;
		close(fd);
	}
}

/*
 * Descriptors from FIRST_SHARED_FD on are everybody's: a session there may be
 * closed or replaced by another one while a file is put into it. Lower ones are
 * left to whoever made them, so that each file has the contents it should.
 */
static void share(int device, unsigned int who)
{
	unsigned long random = lu_seed(who);
	struct label label = { .who = who, .slot = NOBODY };
	char name[32];

	for (;; ledger->rounds[who]++) {
		int shared = FIRST_SHARED_FD + lu_random(&random, SHARED_FDS);
		int fd, err;

		switch (lu_random(&random, 16)) {
		case 0:
		case 1:
			snprintf(name, sizeof(name), "shared-%u",
				 lu_random(&random, SHARED_NAMES));
			fd = lu_create(device, name);
			if (fd == -EEXIST)
				break;
			MUST(fd >= 0);
			MUST(dup2(fd, shared) == shared);
			MUST(close(fd) == 0);
			break;
		case 2:
			MUST(close(shared) == 0 || errno == EBADF);
			break;
		default:
			label.number++;
			label.token = (who - WORKERS) * TOKENS +
				      label.number % TOKENS;
			label.pages = 1 + lu_random(&random, MOST_PAGES);
			fd = make_file(&label);
			MUST(fd >= 0);
			err = lu_preserve(shared, fd, label.token);
			MUST(!err || err == -EBADF || err == -EEXIST);
			close(fd);
		}
	}
}

/* What nobody touches any more, and what there is to race for afterwards. */
static void prepare_session(int device, const char *name)
{
	struct label label = { .who = NOBODY, .pages = MOST_PAGES };
	int session = lu_create(device, name);

	NEED(session >= 0);
	for (label.token = 0; label.token < FILES; label.token++) {
		int fd = make_file(&label);

		NEED(fd >= 0 && lu_preserve(session, fd, label.token) == 0);
		close(fd);
		label.number++;
	}
}

static const char *const races[] = {
	"contest", "same-file", "finish", "close", "kill", "all-killed",
};

static void prepare_ledger(int device)
{
	int fd = memfd_create("ledger", 0);
	int session = lu_create(device, "ledger");

	NEED(fd >= 0 && session >= 0);
	NEED(ftruncate(fd, PAGE) == 0);
	_Static_assert(sizeof(*ledger) <= PAGE, "a page has room for the ledger");
	ledger = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(ledger != MAP_FAILED);
	NEED(lu_preserve(session, fd, 0) == 0);
}

static void start_workers(int device)
{
	pid_t pid;

	for (unsigned int who = 0; who < WORKERS; who++) {
		pid = fork();
		NEED(pid >= 0);
		if (!pid) {
			lu_detach();
			work(device, who);
		}
	}
	pid = fork();
	NEED(pid >= 0);
	if (pid)
		return;
	lu_detach();
	for (unsigned int who = WORKERS; who < WORKERS + SHARERS - 1; who++) {
		pid = lu_fork_with_same_fds();
		MUST(pid >= 0);
		if (!pid)
			share(device, who);
	}
	share(device, WORKERS + SHARERS - 1);
}

static bool all_are_at_it(void)
{
	for (unsigned int who = 0; who < WORKERS + SHARERS; who++) {
		if (ledger->rounds[who] < ROUNDS)
			return false;
	}
	return true;
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	char name[32];

	NEED(device >= 0);
	NEED(lu_allow_fds(1024) == 0);
	prepare_ledger(device);
	prepare_session(device, "untouched");
	for (size_t i = 0; i < sizeof(races) / sizeof(races[0]); i++) {
		for (int race = 0; race < RACES; race++) {
			snprintf(name, sizeof(name), "%s-%d", races[i], race);
			prepare_session(device, name);
		}
	}
	lu_keep_sessions();
	start_workers(device);
	NEED(lu_comes_true(all_are_at_it() || ledger->wrong));
	if (ledger->wrong)
		printf("# line %u: a worker met what must not be\n", ledger->wrong);
	NEED(!ledger->wrong);
	printf("# prepared\n");
	/* The workers go on while init reboots. */
	return 0;
}

/* Stage 2. */

FIXTURE(after)
{
	int device;
};

FIXTURE_SETUP(after)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(after)
{
	close(self->device);
}

TEST_F(after, the_session_that_nobody_touched_is_complete)
{
	int session = lu_retrieve_session(self->device, "untouched");
	struct label label;

	ASSERT_GE(session, 0);
	for (unsigned int token = 0; token < FILES; token++) {
		int fd = lu_retrieve(session, token);

		ASSERT_GE(fd, 0);
		EXPECT_TRUE(is_whole(fd, token, &label));
		EXPECT_EQ(label.who, NOBODY);
		EXPECT_EQ(label.number, token);
	}
	EXPECT_EQ(lu_retrieve(session, FILES), -ENOENT);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

/* How many files a session may have; none at all is -1. */
static void bounds(const struct slot *slot, int *least, int *most)
{
	int files = slot->files;

	*least = slot->state == OPEN || slot->state == ADDING ? files : -1;
	*most = slot->state == ABSENT ? -1 : slot->state == ADDING ? files + 1 : files;
}

TEST_F(after, each_session_is_as_its_owner_left_it)
{
	int session = lu_retrieve_session(self->device, "ledger");
	unsigned int counts[STATES] = {}, rounds = 0;
	struct ledger found;
	int fd;

	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	ASSERT_EQ(read(fd, &found, sizeof(found)), sizeof(found));
	/* A line of the program. */
	EXPECT_EQ(found.wrong, 0);

	for (unsigned int who = 0; who < WORKERS + SHARERS; who++)
		rounds += found.rounds[who];
	for (unsigned int who = 0; who < WORKERS; who++) {
		for (unsigned int number = 0; number < SLOTS; number++) {
			struct slot *slot = &found.slots[who][number];
			int least, most, files = -1;
			struct label label;
			char name[32];

			ASSERT_LT(slot->state, STATES);
			counts[slot->state]++;
			bounds(slot, &least, &most);
			name_of(name, sizeof(name), who, number);
			session = lu_retrieve_session(self->device, name);
			if (session < 0) {
				EXPECT_EQ(session, -ENOENT);
			} else {
				for (files = 0; files < FILES; files++) {
					fd = lu_retrieve(session, files);
					if (fd < 0)
						break;
					EXPECT_TRUE(is_whole(fd, files, &label));
					EXPECT_EQ(label.who, who);
					EXPECT_EQ(label.slot, number);
					EXPECT_EQ(label.generation, slot->generation);
					close(fd);
				}
				for (int more = files; more < FILES; more++)
					EXPECT_EQ(lu_retrieve(session, more), -ENOENT);
				EXPECT_EQ(lu_finish(session, 0), 0);
				close(session);
			}
			EXPECT_GE(files, least) {
				TH_LOG("%s was %s", name, state_names[slot->state]);
			}
			EXPECT_LE(files, most) {
				TH_LOG("%s was %s", name, state_names[slot->state]);
			}
		}
	}
	printf("# after %u rounds", rounds);
	for (int state = 0; state < STATES; state++)
		printf(", %u %s", counts[state], state_names[state]);
	printf("\n");
}

TEST_F(after, what_many_put_into_sessions_of_all_is_whole_and_in_one_of_them)
{
	/* By sharer and token: the number of the file that was there last, and in which. */
	static unsigned int seen[SHARERS * TOKENS][SHARED_NAMES];
	unsigned int files = 0, sessions = 0;
	struct label label;
	char name[32];

	for (unsigned int number = 0; number < SHARED_NAMES; number++) {
		int session;

		snprintf(name, sizeof(name), "shared-%u", number);
		session = lu_retrieve_session(self->device, name);
		if (session < 0) {
			EXPECT_EQ(session, -ENOENT);
			continue;
		}
		sessions++;
		for (unsigned int token = 0; token < SHARERS * TOKENS; token++) {
			int fd = lu_retrieve(session, token);

			if (fd < 0) {
				EXPECT_EQ(fd, -ENOENT);
				continue;
			}
			files++;
			EXPECT_TRUE(is_whole(fd, token, &label));
			EXPECT_EQ(label.who, WORKERS + token / TOKENS);
			seen[token][number] = label.number;
			for (unsigned int other = 0; other < number; other++)
				EXPECT_NE(seen[token][other], label.number);
			close(fd);
		}
		EXPECT_EQ(lu_finish(session, 0), 0);
		close(session);
	}
	printf("# %u sessions of all, with %u files\n", sessions, files);
}

/* What racers have in common. */
struct arena {
	/* How many have come to the start of each race, and to its end. */
	unsigned int ready[RACES], done[RACES];
	/* How many of them got what there is for one only. */
	unsigned int winners[RACES];
	/* The line in which something went wrong. */
	unsigned int wrong;
	/* Where it is seen which file each of them got. */
	unsigned long inodes[RACES][RACERS];
};

static volatile struct arena *arena;

static unsigned int add(volatile unsigned int *counter)
{
	return __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

/* Returns when all have called it: a race begins. */
static void together(volatile unsigned int *counter, unsigned int count)
{
	add(counter);
	while (*counter < count)
		sched_yield();
}

#define FAIR(condition)							\
	do {								\
		if (!(condition))					\
			arena->wrong = __LINE__;			\
	} while (0)

static int race_session(int device, const char *kind, int race)
{
	char name[32];

	snprintf(name, sizeof(name), "%s-%d", kind, race);
	return lu_retrieve_session(device, name);
}

/* Starts them, each with a number, and waits for all to be done. */
static void run_racers(struct __test_metadata *_metadata,
		       pid_t (*start)(void),
		       void (*racer)(int fd, unsigned int number), int fd)
{
	pid_t pids[RACERS];
	int status;

	for (unsigned int number = 0; number < RACERS; number++) {
		pids[number] = start();
		ASSERT_GE(pids[number], 0);
		if (!pids[number]) {
			lu_die_with_parent();
			racer(fd, number);
			_exit(0);
		}
	}
	for (unsigned int number = 0; number < RACERS; number++) {
		ASSERT_EQ(waitpid(pids[number], &status, 0), pids[number]);
		EXPECT_EQ(status, 0);
	}
	/* A line of the program. */
	EXPECT_EQ(arena->wrong, 0);
}

static void want_a_session(int device, unsigned int number)
{
	unsigned long random = lu_seed(100 + number);

	for (int race = 0; race < RACES; race++) {
		bool finish = lu_random(&random, 2);
		int session, fd;

		together(&arena->ready[race], RACERS);
		session = race_session(device, "contest", race);
		if (session < 0) {
			FAIR(session == -EINVAL || session == -ENOENT);
			continue;
		}
		add(&arena->winners[race]);
		for (unsigned int token = 0; token < FILES; token++) {
			fd = lu_retrieve(session, token);
			FAIR(fd >= 0 && is_whole_in_memory(fd, token));
			close(fd);
		}
		if (finish)
			FAIR(lu_finish(session, 0) == 0);
		FAIR(close(session) == 0);
		FAIR(race_session(device, "contest", race) == -ENOENT);
	}
}

TEST_F(after, of_many_who_ask_for_a_session_one_gets_it)
{
	arena = lu_shared_memory(sizeof(*arena));
	ASSERT_NE(arena, NULL);
	run_racers(_metadata, fork, want_a_session, self->device);
	for (int race = 0; race < RACES; race++) {
		EXPECT_EQ(arena->winners[race], 1);
		EXPECT_EQ(race_session(self->device, "contest", race), -ENOENT);
	}
}

/* Sessions of all races of a kind, for who has not asked for them himself. */
static int race_sessions[RACES];

static bool retrieve_races(int device, const char *kind)
{
	for (int race = 0; race < RACES; race++) {
		race_sessions[race] = race_session(device, kind, race);
		if (race_sessions[race] < 0)
			return false;
	}
	return true;
}

static void want_a_file(int device, unsigned int number)
{
	for (int race = 0; race < RACES; race++) {
		unsigned int token = race % FILES;
		struct stat stat = {};
		int fd;

		together(&arena->ready[race], RACERS);
		fd = lu_retrieve(race_sessions[race], token);
		FAIR(fd >= 0 && fstat(fd, &stat) == 0);
		FAIR(is_whole_in_memory(fd, token));
		arena->inodes[race][number] = stat.st_ino;
		close(fd);
	}
}

TEST_F(after, all_who_ask_for_a_file_get_the_same_one)
{
	arena = lu_shared_memory(sizeof(*arena));
	ASSERT_NE(arena, NULL);
	ASSERT_TRUE(retrieve_races(self->device, "same-file"));
	run_racers(_metadata, fork, want_a_file, -1);
	for (int race = 0; race < RACES; race++) {
		for (int number = 1; number < RACERS; number++)
			EXPECT_EQ(arena->inodes[race][number], arena->inodes[race][0]);
		EXPECT_EQ(lu_finish(race_sessions[race], 0), 0);
	}
}

/* Takes files until @end is the answer; whatever was got is whole, and stays so. */
static void take_files_until(int session, int end, unsigned long *random)
{
	for (;;) {
		unsigned int token = lu_random(random, FILES);
		int fd = lu_retrieve(session, token);

		if (fd < 0) {
			FAIR(fd == end);
			return;
		}
		FAIR(is_whole_in_memory(fd, token));
		close(fd);
	}
}

static void finish_or_take_files(int device, unsigned int number)
{
	unsigned long random = lu_seed(200 + number);

	for (int race = 0; race < RACES; race++) {
		int session = race_sessions[race];

		together(&arena->ready[race], RACERS);
		if (number < 2) {
			lu_linger(lu_random(&random, 300));
			FAIR(lu_finish(session, 0) == 0);
			for (unsigned int token = 0; token < FILES; token++)
				FAIR(lu_retrieve(session, token) == -ENOENT);
		} else {
			take_files_until(session, -ENOENT, &random);
		}
	}
}

TEST_F(after, finish_takes_no_file_from_those_who_are_getting_one)
{
	arena = lu_shared_memory(sizeof(*arena));
	ASSERT_NE(arena, NULL);
	ASSERT_TRUE(retrieve_races(self->device, "finish"));
	run_racers(_metadata, fork, finish_or_take_files, -1);
	for (int race = 0; race < RACES; race++)
		EXPECT_EQ(lu_finish(race_sessions[race], 0), 0);
}

static void close_or_take_files(int device, unsigned int number)
{
	unsigned long random = lu_seed(300 + number);

	for (int race = 0; race < RACES; race++) {
		int session = FIRST_SHARED_FD + race;

		together(&arena->ready[race], RACERS);
		if (number) {
			take_files_until(session, -EBADF, &random);
		} else {
			lu_linger(lu_random(&random, 300));
			FAIR(close(session) == 0);
		}
	}
}

TEST_F(after, closing_a_descriptor_that_others_are_using_finishes_the_session)
{
	arena = lu_shared_memory(sizeof(*arena));
	ASSERT_NE(arena, NULL);
	ASSERT_EQ(lu_allow_fds(1024), 0);
	ASSERT_TRUE(retrieve_races(self->device, "close"));
	for (int race = 0; race < RACES; race++) {
		int to = FIRST_SHARED_FD + race;

		ASSERT_EQ(dup2(race_sessions[race], to), to);
		close(race_sessions[race]);
	}
	run_racers(_metadata, lu_fork_with_same_fds, close_or_take_files, -1);
	for (int race = 0; race < RACES; race++)
		EXPECT_EQ(race_session(self->device, "close", race), -ENOENT);
}

/* Starts racers that do nothing but take files of a session, and kills them in random order. */
static void kill_racers(struct __test_metadata *_metadata, int race,
			bool keep_session, unsigned long *random)
{
	pid_t pids[RACERS];

	for (unsigned int number = 0; number < RACERS; number++) {
		pids[number] = fork();
		ASSERT_GE(pids[number], 0);
		if (!pids[number]) {
			unsigned long own = lu_seed(400 + number + race * RACERS);

			lu_die_with_parent();
			together(&arena->ready[race], RACERS + 1);
			take_files_until(race_sessions[race], -ENOENT, &own);
			_exit(1);
		}
	}
	if (!keep_session)
		close(race_sessions[race]);
	together(&arena->ready[race], RACERS + 1);
	for (unsigned int left = RACERS; left; left--) {
		unsigned int victim = lu_random(random, left);

		lu_linger(lu_random(random, 300));
		/* The last ones go at once. */
		if (left == RACERS / 2) {
			for (unsigned int i = 0; i < left; i++)
				ASSERT_EQ(kill(pids[i], SIGKILL), 0);
		}
		ASSERT_TRUE(lu_kill(pids[victim]));
		pids[victim] = pids[left - 1];
	}
	EXPECT_EQ(arena->wrong, 0);
}

TEST_F(after, who_is_killed_takes_nothing_from_the_others)
{
	unsigned long random = lu_seed(500);

	arena = lu_shared_memory(sizeof(*arena));
	ASSERT_NE(arena, NULL);
	ASSERT_TRUE(retrieve_races(self->device, "kill"));
	for (int race = 0; race < KILLS; race++) {
		kill_racers(_metadata, race, true, &random);
		for (unsigned int token = 0; token < FILES; token++) {
			int fd = lu_retrieve(race_sessions[race], token);

			ASSERT_GE(fd, 0);
			EXPECT_TRUE(is_whole_in_memory(fd, token));
			close(fd);
		}
		EXPECT_EQ(lu_finish(race_sessions[race], 0), 0);
	}
}

TEST_F(after, when_the_last_one_is_killed_the_session_is_finished)
{
	unsigned long random = lu_seed(501);

	arena = lu_shared_memory(sizeof(*arena));
	ASSERT_NE(arena, NULL);
	ASSERT_TRUE(retrieve_races(self->device, "all-killed"));
	for (int race = 0; race < KILLS; race++) {
		kill_racers(_metadata, race, false, &random);
		EXPECT_EQ(race_session(self->device, "all-killed", race), -ENOENT);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
