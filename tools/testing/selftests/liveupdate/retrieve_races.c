// SPDX-License-Identifier: GPL-2.0
/*
 * Two live updates in a row, the second of which comes while many processes are
 * retrieving what the first one brought: they take sessions and files, finish,
 * put some of the files into sessions for the next kernel, close and get killed
 * until the machine stops under their feet. A ledger, which goes along, says how
 * far each of them was before and after each call.
 *
 * Run with "-s 1" in the first boot, "-s 2" after the first live update and "-s 3"
 * after the second.
 */

#include "races.h"
#include "lu_harness.h"

#include <linux/reboot.h>

/* Each has descriptors of its own, and sessions that nobody else touches. */
#define WORKERS		5
#define SLOTS		32
#define FILES		4

/* All of these have one table of descriptors, and take sessions from each other. */
#define SHARERS		4
#define SHARED		24
#define HEAPS		4
#define TOKENS		16

/* Their descriptors: lower ones are left to whoever made them. */
#define FIRST_SHARED_FD	200
#define INCOMING_FDS	4
#define FIRST_HEAP_FD	(FIRST_SHARED_FD + INCOMING_FDS)
#define HEAP_FDS	4
#define FIRST_FILE_FD	(FIRST_HEAP_FD + HEAP_FDS)
#define FILE_FDS	8

/* What becomes of a worker's sessions: every so many of them the same. */
#define KINDS		4
enum { HANDED_ON, DROPPED_EARLY, DROPPED_LATE, OF_A_MORTAL };

/*
 * Mainline's lists of sessions come in blocks of 51; names that are refused while
 * one is full stop its next kernel, and have a scenario of their own. There are
 * what workers hand on, one of each one's mortal, the heaps and the ledger.
 */
#define ONE_BLOCK	51
_Static_assert(WORKERS * (SLOTS / KINDS + 1) + HEAPS + 1 < ONE_BLOCK,
	       "sessions for the third kernel are in one block");

/* What each of them does at least before the reboot. */
#define ROUNDS		100

/* A mortal lives for so many microseconds at most, as a power of two. */
#define LONGEST_LIFE	16

/* What is free may vary by that, in KiB, with how full slabs are. */
#define LOSS_ALLOWED	128

/* How much less memory there may be than in the first boot: its map is another one. */
#define MAPS_DIFFER	1024

enum state {
	/* With the kernel, as it came. */
	WAITING, TAKING, TAKEN, RETRIEVING, FINISHING,
	/* Its files are the worker's, and go nowhere. */
	HELD,
	/* In a session of the same name for the next kernel. */
	CREATING, OPEN, ADDING, CLOSING,
	DROPPED, STATES
};

static const char *const state_names[STATES] = {
	"waiting", "being taken", "taken", "giving a file", "being finished", "held",
	"being created", "open", "getting a file", "being closed", "dropped",
};

/* What a worker knows of a session before and after each call. */
struct slot {
	enum state state;
	/* In the hands of somebody who is killed at any time, and all that is his with him. */
	bool mortal;
	/* Sets of tokens, and the one that is being added. */
	unsigned char retrieved, preserved, token;
	/* What the labels of the files say. */
	unsigned char generations[FILES];
};

struct ledger {
	struct slot slots[WORKERS][SLOTS];
	unsigned int rounds[WORKERS + SHARERS];
	/* Killed so far: those who only retrieve, and mortals. */
	unsigned int killed[WORKERS][2];
	/* What the first kernel had of it, in KiB. */
	long memory;
	/* The reboot is about to come. */
	bool hurry;
	/* The line in which something went wrong that must not. */
	unsigned int wrong;
};

_Static_assert(sizeof(struct ledger) <= PAGE, "a page has room for the ledger");

static volatile struct ledger *ledger;

static void name_of(char *name, size_t size, unsigned int who, unsigned int number)
{
	snprintf(name, size, "own-%u-%u", who, number);
}

static int take_session(int device, unsigned int who, unsigned int number)
{
	char name[32];

	name_of(name, sizeof(name), who, number);
	return lu_retrieve_session(device, name);
}

static int take_shared_session(int device, unsigned int number)
{
	char name[32];

	snprintf(name, sizeof(name), "shared-%u", number);
	return lu_retrieve_session(device, name);
}

static int take_heap(int device, unsigned int number)
{
	char name[32];

	snprintf(name, sizeof(name), "heap-%u", number);
	return lu_retrieve_session(device, name);
}

/* Stage 1. */

static void prepare_session(int device, const char *name, unsigned int who,
			    unsigned int slot, unsigned long *random)
{
	struct label label = { .who = who, .slot = slot };
	int session = lu_create(device, name);

	NEED(session >= 0);
	for (label.token = 0; label.token < FILES; label.token++) {
		int fd;

		label.number = label.token;
		label.pages = 1 + lu_random(random, MOST_PAGES);
		fd = make_file(&label);
		NEED(fd >= 0 && lu_preserve(session, fd, label.token) == 0);
		close(fd);
	}
}

static void open_ledger(int fd)
{
	ledger = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(ledger != MAP_FAILED);
}

static void prepare_ledger(int device)
{
	int fd = memfd_create("ledger", 0);
	int session = lu_create(device, "ledger");

	NEED(fd >= 0 && session >= 0);
	NEED(ftruncate(fd, PAGE) == 0);
	open_ledger(fd);
	ledger->memory = lu_meminfo("MemTotal");
	NEED(lu_preserve(session, fd, 0) == 0);
	close(fd);
}

static int prepare(int device)
{
	unsigned long random = lu_seed(0);
	char name[32];

	for (unsigned int who = 0; who < WORKERS; who++) {
		for (unsigned int number = 0; number < SLOTS; number++) {
			name_of(name, sizeof(name), who, number);
			prepare_session(device, name, who, number, &random);
		}
	}
	for (unsigned int number = 0; number < SHARED; number++) {
		snprintf(name, sizeof(name), "shared-%u", number);
		prepare_session(device, name, NOBODY, number, &random);
	}
	prepare_ledger(device);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

/* Stage 2. */

/* A worker, or who has been forked by one. */
static struct worker {
	int device;
	unsigned int who;
	unsigned long random;
	/* Killed by a timer: nobody may be left who has descriptors of his. */
	bool mortal;
	struct {
		int session;
		int files[FILES];
	} hands[SLOTS];
} me;

static volatile struct slot *slot_of(unsigned int number)
{
	return &ledger->slots[me.who][number];
}

/* Whether a file is what the ledger says. */
static bool is_mine(int fd, unsigned int number, unsigned int token)
{
	struct label label;

	return is_whole(fd, token, &label) && label.who == me.who &&
	       label.slot == number &&
	       label.generation == slot_of(number)->generations[token];
}

static void take(unsigned int number)
{
	volatile struct slot *slot = slot_of(number);

	slot->state = TAKING;
	me.hands[number].session = take_session(me.device, me.who, number);
	MUST(me.hands[number].session >= 0);
	slot->state = TAKEN;
}

/* A file that was not there yet, or another descriptor of one that was. */
static void retrieve(unsigned int number)
{
	unsigned int token = lu_random(&me.random, FILES);
	volatile struct slot *slot = slot_of(number);
	int session = me.hands[number].session;
	struct stat first, again;
	int fd;

	slot->state = RETRIEVING;
	fd = lu_retrieve(session, token);
	MUST(fd >= 0);
	slot->state = TAKEN;
	MUST(is_mine(fd, number, token));
	if (slot->retrieved & 1 << token) {
		MUST(fstat(me.hands[number].files[token], &first) == 0);
		MUST(fstat(fd, &again) == 0);
		MUST(first.st_ino == again.st_ino);
		MUST(close(fd) == 0);
		return;
	}
	me.hands[number].files[token] = fd;
	slot->retrieved |= 1 << token;
}

/* Somebody who gets files over and over again until he is killed. */
static void retrieve_until_killed(unsigned int number)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid) {
		lu_die_in(1 + lu_random(&me.random, 1 << number % LONGEST_LIFE));
		for (unsigned int token = 0;; token = (token + 1) % FILES) {
			int fd = lu_retrieve(me.hands[number].session, token);

			MUST(fd >= 0 && is_mine(fd, number, token));
			MUST(close(fd) == 0);
		}
	}
	MUST(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	ledger->killed[me.who][0]++;
}

/* Before finish a file cannot go to the next kernel. */
static void hand_on_too_early(unsigned int number)
{
	for (unsigned int other = 0; other < SLOTS; other++) {
		if (slot_of(other)->mortal || slot_of(other)->state != OPEN)
			continue;
		for (unsigned int token = 0; token < FILES; token++) {
			if (slot_of(number)->retrieved & 1 << token)
				MUST(lu_preserve(me.hands[other].session,
						 me.hands[number].files[token],
						 FILES) == -EBUSY);
		}
		return;
	}
}

static void close_session(unsigned int number)
{
	int session = me.hands[number].session;

	if (me.mortal || lu_random(&me.random, 4))
		MUST(close(session) == 0);
	else
		MUST(close_by_dying(session));
}

static void finish(unsigned int number)
{
	volatile struct slot *slot = slot_of(number);

	slot->state = FINISHING;
	if (lu_random(&me.random, 2)) {
		MUST(lu_finish(me.hands[number].session, 0) == 0);
		MUST(lu_retrieve(me.hands[number].session, 0) == -ENOENT);
	}
	close_session(number);
	slot->state = HELD;
}

static void retrieve_or_finish(unsigned int number)
{
	volatile struct slot *slot = slot_of(number);
	bool all = slot->retrieved == (1 << FILES) - 1;

	switch (lu_random(&me.random, 16)) {
	case 0:
		if (!me.mortal)
			retrieve_until_killed(number);
		break;
	case 1:
		hand_on_too_early(number);
		break;
	case 2:
		if (number % KINDS == DROPPED_EARLY)
			finish(number);
		break;
	default:
		if (all)
			finish(number);
		else
			retrieve(number);
	}
}

/* What was only retrieved, and must not come back. */
static void drop(unsigned int number)
{
	volatile struct slot *slot = slot_of(number);

	for (unsigned int token = 0; token < FILES; token++) {
		if (slot->retrieved & 1 << token)
			MUST(close(me.hands[number].files[token]) == 0);
	}
	MUST(take_session(me.device, me.who, number) == -ENOENT);
	slot->state = DROPPED;
}

/* New contents, so that those of the kernel before would show. */
static void write_again(unsigned int number)
{
	unsigned int token = lu_random(&me.random, FILES);
	volatile struct slot *slot = slot_of(number);
	struct label label;
	int fd;

	if (!(slot->retrieved & 1 << token))
		return;
	fd = me.hands[number].files[token];
	MUST(is_mine(fd, number, token));
	MUST(is_whole(fd, token, &label));
	label.generation = (label.generation + 1) % 256;
	label.number = label.token + label.generation * FILES;
	MUST(fill_file(fd, &label));
	slot->generations[token] = label.generation;
}

static void create(unsigned int number)
{
	volatile struct slot *slot = slot_of(number);
	char name[32];

	name_of(name, sizeof(name), me.who, number);
	slot->preserved = 0;
	slot->state = CREATING;
	me.hands[number].session = lu_create(me.device, name);
	MUST(me.hands[number].session >= 0);
	slot->state = OPEN;
}

static void close_outgoing(unsigned int number)
{
	volatile struct slot *slot = slot_of(number);

	slot->state = CLOSING;
	close_session(number);
	slot->state = HELD;
}

static void add_file(unsigned int number)
{
	unsigned int token = lu_random(&me.random, FILES);
	volatile struct slot *slot = slot_of(number);
	int session = me.hands[number].session;
	int fd = me.hands[number].files[token];

	if (slot->preserved & 1 << token) {
		MUST(lu_preserve(session, fd, token) == -EEXIST);
		MUST(lu_preserve(session, fd, FILES) == -EBUSY);
		return;
	}
	slot->token = token;
	slot->state = ADDING;
	MUST(lu_preserve(session, fd, token) == 0);
	slot->preserved |= 1 << token;
	slot->state = OPEN;
}

/* Does something with a session; false if nothing is left to do. */
static bool step(unsigned int number)
{
	unsigned int kind = number % KINDS;

	switch (slot_of(number)->state) {
	case WAITING:
		take(number);
		return true;
	case TAKEN:
		retrieve_or_finish(number);
		return true;
	case HELD:
		if (kind == DROPPED_EARLY || kind == DROPPED_LATE)
			drop(number);
		else if (lu_random(&me.random, 4))
			create(number);
		else
			write_again(number);
		return true;
	case OPEN:
		if (lu_random(&me.random, 8))
			add_file(number);
		else
			close_outgoing(number);
		return true;
	default:
		return false;
	}
}

/* Who is killed before he took a session leaves all of it to others. */
static void inherit(unsigned int number, int session)
{
	for (unsigned int token = 0; token < FILES; token++) {
		int fd = lu_retrieve(session, token);

		MUST(fd >= 0 && is_mine(fd, number, token));
		MUST(close(fd) == 0);
	}
	MUST(close(session) == 0);
}

/* Has a session handled by somebody who is killed; then there is nothing left of it. */
static void send_mortal(unsigned int number)
{
	volatile struct slot *slot = slot_of(number);
	int status, session;
	pid_t pid;

	slot->mortal = true;
	pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		me.mortal = true;
		lu_die_in(1 + lu_random(&me.random,
					1 << (number / KINDS * 2 + me.who) % LONGEST_LIFE));
		for (;;)
			step(number);
	}
	MUST(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	ledger->killed[me.who][1]++;
	session = take_session(me.device, me.who, number);
	MUST(session == -ENOENT || (session >= 0 && slot->state <= TAKING));
	if (session >= 0)
		inherit(number, session);
	slot->mortal = false;
	/* The name is free for the next kernel, too. */
	create(number);
	close_outgoing(number);
	slot->state = DROPPED;
}

/*
 * One half of the sessions is for the time of the reboot: all but those that are
 * handed on come to an end, and would not last.
 */
static unsigned int choose(unsigned long *random, unsigned int count)
{
	unsigned int half = count / 2;

	if (ledger->hurry && lu_random(random, 4))
		return half + lu_random(random, half);
	return lu_random(random, half);
}

static void work(int device, unsigned int who)
{
	me.device = device;
	me.who = who;
	me.random = lu_seed(who + 1);
	for (;;) {
		unsigned int number = choose(&me.random, SLOTS);
		enum state state = slot_of(number)->state;

		if (number % KINDS != OF_A_MORTAL)
			ledger->rounds[who] += step(number);
		else if (state == WAITING)
			send_mortal(number);
	}
}

/* Puts a descriptor where all have it. */
static void publish(int fd, int shared)
{
	MUST(dup2(fd, shared) == shared);
	MUST(close(fd) == 0);
}

static bool share_session(int device, unsigned long *random)
{
	int session = take_shared_session(device, choose(random, SHARED));

	MUST(session >= 0 || session == -EINVAL || session == -ENOENT);
	if (session < 0)
		return false;
	publish(session, FIRST_SHARED_FD + lu_random(random, INCOMING_FDS));
	return true;
}

static bool share_file(unsigned long *random)
{
	int session = FIRST_SHARED_FD + lu_random(random, INCOMING_FDS);
	unsigned int token = lu_random(random, FILES);
	int fd = lu_retrieve(session, token);

	MUST(fd >= 0 || fd == -EBADF || fd == -ENOENT);
	if (fd < 0)
		return false;
	MUST(is_whole_in_memory(fd, token));
	publish(fd, FIRST_FILE_FD + lu_random(random, FILE_FDS));
	return true;
}

static bool share_heap(int device, unsigned long *random)
{
	char name[32];
	int session;

	snprintf(name, sizeof(name), "heap-%u", lu_random(random, HEAPS));
	session = lu_create(device, name);
	MUST(session >= 0 || session == -EEXIST);
	if (session < 0)
		return false;
	publish(session, FIRST_HEAP_FD + lu_random(random, HEAP_FDS));
	return true;
}

/* Whatever is there, into whatever session: both may go away meanwhile. */
static bool add_to_heap(unsigned long *random)
{
	int session = FIRST_HEAP_FD + lu_random(random, HEAP_FDS);
	int fd = FIRST_FILE_FD + lu_random(random, FILE_FDS);
	int err = lu_preserve(session, fd, lu_random(random, TOKENS));

	MUST(!err || err == -EBADF || err == -EEXIST || err == -EBUSY);
	return !err;
}

static bool finish_shared(unsigned long *random)
{
	int err = lu_finish(FIRST_SHARED_FD + lu_random(random, INCOMING_FDS), 0);

	MUST(!err || err == -EBADF);
	return !err;
}

static bool close_shared(unsigned long *random)
{
	int shared = FIRST_SHARED_FD + lu_random(random, INCOMING_FDS + HEAP_FDS);

	if (close(shared) == 0)
		return true;
	MUST(errno == EBADF);
	return false;
}

/* Does something at random; false if that came to nothing. */
static bool share_something(int device, unsigned long *random)
{
	switch (lu_random(random, 16)) {
	case 0:
		return share_heap(device, random);
	case 1:
	case 2:
		return share_session(device, random);
	case 3:
		return close_shared(random);
	case 4:
		return finish_shared(random);
	case 5:
	case 6:
	case 7:
	case 8:
		return add_to_heap(random);
	default:
		return share_file(random);
	}
}

static void share(int device, unsigned int who)
{
	unsigned long random = lu_seed(who + 1);

	for (;;)
		ledger->rounds[who] += share_something(device, &random);
}

/* A process that init does not wait for. */
static bool in_background(void)
{
	pid_t pid = fork();

	NEED(pid >= 0);
	if (!pid)
		lu_detach();
	return !pid;
}

static void start_workers(int device)
{
	for (unsigned int who = 0; who < WORKERS; who++) {
		if (in_background())
			work(device, who);
	}
	if (!in_background())
		return;
	for (unsigned int who = WORKERS; who < WORKERS + SHARERS - 1; who++) {
		pid_t pid = lu_fork_with_same_fds();

		MUST(pid >= 0);
		if (!pid)
			share(device, who);
	}
	share(device, WORKERS + SHARERS - 1);
}

/* It goes through both live updates. */
static void take_ledger(int device)
{
	int session = lu_retrieve_session(device, "ledger");
	int fd = session < 0 ? -1 : lu_retrieve(session, 0);

	NEED(fd >= 0 && close(session) == 0);
	open_ledger(fd);
	session = lu_create(device, "ledger");
	NEED(session >= 0 && lu_preserve(session, fd, 0) == 0);
	close(fd);
}

static bool all_are_at_it(void)
{
	for (unsigned int who = 0; who < WORKERS + SHARERS; who++) {
		if (ledger->rounds[who] < ROUNDS)
			return false;
	}
	return true;
}

/* Each has begun with what is there for the time of the reboot. */
static bool all_have_begun_again(void)
{
	for (unsigned int who = 0; who < WORKERS; who++) {
		unsigned int number = SLOTS / 2;

		while (number < SLOTS && ledger->slots[who][number].state == WAITING)
			number++;
		if (number == SLOTS)
			return false;
	}
	return true;
}

static void need_nothing_wrong(void)
{
	if (ledger->wrong)
		printf("# line %u: a worker met what must not be\n", ledger->wrong);
	NEED(!ledger->wrong);
}

/* Reboots by itself: init takes too long, and nobody could tell when it is about to. */
static int race(int device)
{
	take_ledger(device);
	start_workers(device);
	NEED(lu_comes_true(all_are_at_it() || ledger->wrong));
	need_nothing_wrong();
	ledger->hurry = true;
	NEED(lu_comes_true(all_have_begun_again() || ledger->wrong));
	need_nothing_wrong();
	NEED(syscall(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		     LINUX_REBOOT_CMD_KEXEC, NULL) == 0);
	return 1;
}

/* Stage 3. */

/* What the ledger says of the second kernel's last moment. */
static struct ledger found;

static void read_ledger(int device)
{
	int session = lu_retrieve_session(device, "ledger");
	int fd = session < 0 ? -1 : lu_retrieve(session, 0);

	NEED(fd >= 0 && lseek(fd, 0, SEEK_SET) == 0);
	NEED(read(fd, &found, sizeof(found)) == sizeof(found));
	NEED(close(fd) == 0 && close(session) == 0);
}

FIXTURE(after)
{
	int device;
};

FIXTURE_SETUP(after)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	ASSERT_TRUE(lu_count_free_memory_exactly());
}

FIXTURE_TEARDOWN(after)
{
	close(self->device);
}

/* What a session may be, as far as the ledger tells. */
struct bounds {
	bool may_be_there, may_be_absent;
	/* Tokens of files that are there if the session is, and that may be. */
	unsigned int must, may;
};

static struct bounds bounds_of(const struct slot *slot)
{
	enum state state = slot->state;
	struct bounds bounds = {
		.may_be_there = state >= CREATING && state <= CLOSING,
		.may_be_absent = slot->mortal || (state != OPEN && state != ADDING),
		.must = slot->preserved,
		.may = slot->preserved,
	};

	if (state == ADDING)
		bounds.may |= 1 << slot->token;
	return bounds;
}

/* Checks the files of a session, finishes it, and gives how many KiB they were. */
static long check_files(struct __test_metadata *_metadata, int session,
			unsigned int who, unsigned int number, const struct slot *slot)
{
	struct bounds bounds = bounds_of(slot);
	struct label label;
	long size = 0;

	for (unsigned int token = 0; token <= FILES; token++) {
		int fd = lu_retrieve(session, token);

		if (fd < 0) {
			EXPECT_EQ(fd, -ENOENT);
			EXPECT_FALSE(bounds.must & 1 << token) {
				TH_LOG("own-%u-%u has no file %u", who, number, token);
			}
			continue;
		}
		EXPECT_TRUE(bounds.may & 1 << token) {
			TH_LOG("own-%u-%u has a file %u", who, number, token);
		}
		EXPECT_TRUE(is_whole(fd, token, &label)) {
			TH_LOG("own-%u-%u has other data in file %u", who, number, token);
		}
		EXPECT_EQ(label.who, who);
		EXPECT_EQ(label.slot, number);
		EXPECT_EQ(label.generation, slot->generations[token % FILES]);
		size += label.pages * PAGE >> 10;
		close(fd);
	}
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_EQ(close(session), 0);
	return size;
}

static long check_session(struct __test_metadata *_metadata, int device,
			  unsigned int who, unsigned int number,
			  const struct slot *slot)
{
	int session = take_session(device, who, number);
	struct bounds bounds = bounds_of(slot);
	const char *state = state_names[slot->state];

	if (session >= 0) {
		EXPECT_TRUE(bounds.may_be_there) {
			TH_LOG("own-%u-%u came, and was %s", who, number, state);
		}
		return check_files(_metadata, session, who, number, slot);
	}
	EXPECT_EQ(session, -ENOENT);
	EXPECT_TRUE(bounds.may_be_absent) {
		TH_LOG("own-%u-%u is gone, and was %s", who, number, state);
	}
	return 0;
}

/* Says how it was when the machine stopped. */
static void report(void)
{
	unsigned int counts[STATES] = {}, rounds = 0, begun = 0;
	unsigned int killed[2] = {}, mortals = 0;

	for (unsigned int who = 0; who < WORKERS + SHARERS; who++)
		rounds += found.rounds[who];
	for (unsigned int who = 0; who < WORKERS; who++) {
		for (unsigned int number = 0; number < SLOTS; number++) {
			const struct slot *slot = &found.slots[who][number];

			counts[slot->state]++;
			mortals += slot->mortal;
			begun += number >= SLOTS / 2 && slot->state != WAITING;
		}
		killed[0] += found.killed[who][0];
		killed[1] += found.killed[who][1];
	}
	printf("# after %u rounds", rounds);
	for (int state = 0; state < STATES; state++)
		printf(", %u %s", counts[state], state_names[state]);
	printf("\n# killed: %u who retrieved, %u with a session and %u to be\n",
	       killed[0], killed[1], mortals);
	printf("# taken while the reboot came: %u of %u\n", begun, WORKERS * SLOTS / 2);

}

TEST_F(after, each_session_is_as_its_owner_left_it)
{
	long before = lu_free_memory(), freed, size = 0;

	/* A line of the program. */
	EXPECT_EQ(found.wrong, 0);
	for (unsigned int who = 0; who < WORKERS; who++) {
		for (unsigned int number = 0; number < SLOTS; number++) {
			const struct slot *slot = &found.slots[who][number];

			ASSERT_LT(slot->state, STATES);
			size += check_session(_metadata, self->device, who, number, slot);
		}
	}
	report();
	freed = lu_free_memory() - before;
	printf("# of %ld KiB in them %ld are free\n", size, freed);
	if (lu_free_memory_tells()) {
		EXPECT_GE(freed, size - LOSS_ALLOWED);
	}
}

TEST_F(after, what_many_handed_on_is_whole_and_in_one_session)
{
	/* By where it was before. */
	static bool seen[SHARED][FILES];
	unsigned int files = 0, sessions = 0;
	struct label label;

	for (unsigned int number = 0; number < HEAPS; number++) {
		int session = take_heap(self->device, number);

		if (session < 0) {
			EXPECT_EQ(session, -ENOENT);
			continue;
		}
		sessions++;
		for (unsigned int token = 0; token < TOKENS; token++) {
			int fd = lu_retrieve(session, token);

			if (fd < 0) {
				EXPECT_EQ(fd, -ENOENT);
				continue;
			}
			files++;
			ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
			ASSERT_EQ(read(fd, &label, sizeof(label)), sizeof(label));
			ASSERT_LT(label.slot, SHARED);
			ASSERT_LT(label.token, FILES);
			EXPECT_TRUE(is_whole_in_memory(fd, label.token));
			EXPECT_FALSE(seen[label.slot][label.token]);
			seen[label.slot][label.token] = true;
			close(fd);
		}
		EXPECT_EQ(lu_finish(session, 0), 0);
		close(session);
	}
	printf("# %u sessions of all, with %u files\n", sessions, files);
}

TEST_F(after, nothing_that_was_only_retrieved_comes_back)
{
	for (unsigned int number = 0; number < SHARED; number++)
		EXPECT_EQ(take_shared_session(self->device, number), -ENOENT);
}

/* When all sessions are finished nothing is kept from the kernel any more. */
TEST_F(after, all_memory_is_there)
{
	long least = found.memory - MAPS_DIFFER;

	EXPECT_TRUE(lu_comes_true(lu_meminfo("MemTotal") >= least));
	printf("# memory: %ld of %ld KiB\n", lu_meminfo("MemTotal"), found.memory);
}

TEST_F(after, the_device_works)
{
	struct label label = { .who = NOBODY, .pages = MOST_PAGES };
	int session = lu_create(self->device, "own-0-0");
	int fd = make_file(&label);

	ASSERT_GE(session, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_preserve(session, fd, 0), 0);
	EXPECT_TRUE(is_whole(fd, 0, &label));
	EXPECT_EQ(close(session), 0);
	EXPECT_EQ(ftruncate(fd, 0), 0);
}

int main(int argc, char **argv)
{
	int device = open(LU_DEVICE, O_RDWR);

	NEED(argc == 3 && device >= 0);
	NEED(lu_allow_fds(1024) == 0);
	if (!strcmp(argv[2], "1"))
		return prepare(device);
	if (!strcmp(argv[2], "2"))
		return race(device);
	read_ledger(device);
	/* The tests open it, too. */
	close(device);
	return test_harness_run(1, argv);
}
