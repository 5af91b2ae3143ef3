// SPDX-License-Identifier: GPL-2.0
/*
 * Hands over two sessions, and says what became of them in the next kernel. The
 * first one may be damaged on the way: before the live update the program says
 * where the jump is and waits for a line on the console.
 */

#include "jump.h"

/* The first one by name and by age: kernels differ in what they go by. */
#define SESSION	"handed-over"
#define OTHER	"other"
#define TOKEN	1
/* So many that there are some before and after one that is damaged. */
#define SIZE	(6 * PAGE)

/* What is in the two files, for lu_fill(): no page of one is a page of the other. */
enum { DATA = 1, OTHER_DATA = 3 };

/* What a page of a file may hold in the next kernel, the worst last. */
enum content { INTACT, HOLE, MISSING, MOVED, FOREIGN };

static const char *const contents[] = {
	[HOLE] = "a hole",
	[MISSING] = "nothing to be read",
	[MOVED] = "another page of it",
	[FOREIGN] = "foreign data",
};

/*
 * The pages of the two alternate, in the order of addresses or against it: who
 * takes more than the damaged file has takes the other one's.
 */
static bool preserve(int device)
{
	int memfd = memfd_create("bad-handover", 0);
	int other = memfd_create("other", 0);

	for (unsigned long at = 0; at < SIZE; at += PAGE) {
		if (!lu_fill(other, at, at + PAGE, OTHER_DATA) ||
		    !lu_fill(memfd, at, at + PAGE, DATA))
			return false;
	}
	return !lu_preserve(lu_create(device, SESSION), memfd, TOKEN) &&
	       !lu_preserve(lu_create(device, OTHER), other, TOKEN);
}

static int hand_over(void)
{
	int device = open(LU_DEVICE, O_RDWR);

	if (!preserve(device)) {
		printf("# cannot preserve: errno %d\n", errno);
		return 1;
	}
	lu_keep_sessions();
	return lu_wait_before_jump();
}

/* Whether @page is the one at @at of the file with @seed; 0 stands for zeroes. */
static bool is_page(const unsigned char *page, unsigned long at, unsigned int seed)
{
	for (unsigned long i = 0; i < PAGE; i++) {
		if (page[i] != (seed ? lu_pattern(at + i, seed) : 0))
			return false;
	}
	return true;
}

static enum content content_at(int memfd, unsigned long at, unsigned int seed)
{
	static unsigned char page[PAGE];

	if (lseek(memfd, at, SEEK_SET) != (off_t)at ||
	    read(memfd, page, PAGE) != (ssize_t)PAGE)
		return MISSING;
	if (is_page(page, at, seed))
		return INTACT;
	if (is_page(page, at, 0))
		return HOLE;
	for (unsigned long other = 0; other < SIZE; other += PAGE) {
		if (is_page(page, other, seed))
			return MOVED;
	}
	return FOREIGN;
}

/* The worst of all pages of the file, each of which is told if it is not intact. */
static enum content look_at(int memfd, const char *name, unsigned int seed)
{
	enum content worst = INTACT;

	for (unsigned long at = 0; at < SIZE; at += PAGE) {
		enum content found = content_at(memfd, at, seed);

		if (found != INTACT)
			printf("# %s has %s at byte %lu\n", name,
			       contents[found], at);
		if (found > worst)
			worst = found;
	}
	if (worst == INTACT)
		printf("# %s is intact\n", name);
	return worst;
}

/*
 * Whether the session is there, complete and intact, or refused for good. A hole is
 * what a page becomes of which the table says so, and nothing is given out by it. No
 * page can move: each place in the file is taken, and no page is given out twice.
 */
static int look_for_data(int device)
{
	int session = lu_retrieve_session(device, SESSION);
	int memfd;

	if (session < 0) {
		printf("# no session: %d\n", session);
		return 0;
	}
	memfd = lu_retrieve(session, TOKEN);
	if (memfd < 0) {
		/* What it is made of is gone: trying again must not touch it. */
		int again = lu_retrieve(session, TOKEN);

		printf("# a session, but no data: %d, then %d\n", memfd, again);
		return again == memfd ? 0 : 1;
	}
	return look_at(memfd, "the data", DATA) > HOLE;
}

/*
 * It is not damaged by itself, so it comes back as it was or not at all. Which of
 * these it must be knows who runs the program: damage to all sessions is damage to
 * this one, too.
 */
static int look_for_other(int device)
{
	int session = lu_retrieve_session(device, OTHER);
	int memfd = session < 0 ? session : lu_retrieve(session, TOKEN);

	if (memfd < 0) {
		printf("# no other file: %d\n", memfd);
		return 0;
	}
	return look_at(memfd, "the other file", OTHER_DATA) != INTACT;
}

static int look_around(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session, memfd, err;

	if (device < 0) {
		printf("# no device: errno %d\n", errno);
		return 1;
	}
	err = look_for_data(device);
	err |= look_for_other(device);
	session = lu_create(device, "a-new-one");
	memfd = memfd_create("new", 0);
	if (session < 0 || ftruncate(memfd, SIZE) || lu_preserve(session, memfd, 1))
		printf("# nothing new can be preserved\n");
	else
		printf("# a new session works\n");
	return err;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return hand_over();
	return look_around();
}
