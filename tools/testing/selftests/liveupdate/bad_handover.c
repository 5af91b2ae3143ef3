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

static bool add_page(int memfd, char byte)
{
	static char page[PAGE];

	memset(page, byte, sizeof(page));
	return write(memfd, page, PAGE) == (ssize_t)PAGE;
}

/*
 * The pages of the two alternate, in the order of addresses or against it: who
 * takes more than the damaged file has takes the other one's.
 */
static bool preserve(int device)
{
	int memfd = memfd_create("bad-handover", 0);
	int other = memfd_create("other", 0);

	for (unsigned long at = 0; at < SIZE; at += PAGE) {
		if (!add_page(other, 'o') || !add_page(memfd, 'd'))
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
	static char data[SIZE];
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
	if (lseek(memfd, 0, SEEK_SET) || read(memfd, data, SIZE) != (ssize_t)SIZE) {
		printf("# the data cannot be read: errno %d\n", errno);
		return 1;
	}
	for (unsigned long i = 0; i < SIZE; i++) {
		if (data[i] == 'd')
			continue;
		/* A page that moved within the file leaves a hole: nobody can tell. */
		if (!data[i]) {
			printf("# a hole at byte %lu\n", i);
			return 0;
		}
		printf("# foreign data at byte %lu\n", i);
		return 1;
	}
	printf("# the data is intact\n");
	return 0;
}

/* Damage to all sessions is damage to this one, too: who runs the program knows. */
static void look_for_other(int device)
{
	int session = lu_retrieve_session(device, OTHER);
	int memfd = session < 0 ? session : lu_retrieve(session, TOKEN);
	static char data[SIZE];

	if (memfd < 0) {
		printf("# no other file: %d\n", memfd);
		return;
	}
	if (lseek(memfd, 0, SEEK_SET) || read(memfd, data, SIZE) != (ssize_t)SIZE) {
		printf("# the other file cannot be read: errno %d\n", errno);
		return;
	}
	for (unsigned long i = 0; i < SIZE; i++) {
		if (data[i] != 'o') {
			printf("# the other file is wrong at byte %lu\n", i);
			return;
		}
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
