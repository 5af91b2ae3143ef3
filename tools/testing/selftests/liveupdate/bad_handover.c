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

/* What is in the two files, for lu_fill() and lu_wrong(). */
enum { DATA = 1, OTHER_DATA = 2 };

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

/* Whether the session is there, complete and intact. */
static int look_for_data(int device)
{
	int session = lu_retrieve_session(device, SESSION);
	unsigned long wrong;
	unsigned char byte;
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
	wrong = lu_wrong(memfd, 0, SIZE, DATA);
	if (wrong < SIZE) {
		if (lseek(memfd, wrong, SEEK_SET) != (off_t)wrong ||
		    read(memfd, &byte, 1) != 1) {
			printf("# the data cannot be read: errno %d\n", errno);
			return 1;
		}
		/* A page that moved within the file leaves a hole: nobody can tell. */
		printf("# %s at byte %lu\n", byte ? "foreign data" : "a hole", wrong);
		return byte ? 1 : 0;
	}
	printf("# the data is intact\n");
	return 0;
}

/* Damage to all sessions is damage to this one, too: who runs the program knows. */
static void look_for_other(int device)
{
	int session = lu_retrieve_session(device, OTHER);
	int memfd = session < 0 ? session : lu_retrieve(session, TOKEN);
	unsigned long wrong;

	if (memfd < 0) {
		printf("# no other file: %d\n", memfd);
		return;
	}
	wrong = lu_wrong(memfd, 0, SIZE, OTHER_DATA);
	if (wrong < SIZE) {
		printf("# the other file is wrong at byte %lu\n", wrong);
		return;
	}
	printf("# the other file is intact\n");
}

static int look_around(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session, memfd, err;

	if (device < 0) {
		printf("# no device: errno %d\n", errno);
		return 0;
	}
	err = look_for_data(device);
	look_for_other(device);
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
