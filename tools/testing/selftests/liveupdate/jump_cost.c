// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to get into the next kernel with so many pages preserved, none of
 * which has a neighbour: "lu_pages=" of the command line. Run with "-s 1" before
 * the live update and with "-s 2" after it, which prints the cost.
 */

#include "lu_test.h"
#include "tsc.h"

#define TOKEN	1

static int hand_over(void)
{
	unsigned long pages = lu_parameter("lu_pages", 0);
	int kept = memfd_create("kept", 0);
	int between = memfd_create("between", 0);
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "jump-cost");
	static char page[PAGE];
	unsigned long now;

	NEED(pages > 0);
	NEED(kept >= 0 && between >= 0 && session >= 0);
	for (unsigned long i = 0; i < pages; i++) {
		NEED(write(kept, page, PAGE) == PAGE);
		NEED(write(between, page, PAGE) == PAGE);
	}
	close(between);
	NEED(lu_preserve(session, kept, TOKEN) == 0);
	lu_keep_sessions();
	/* What is written after preserve comes along, too. */
	NEED(lseek(kept, 0, SEEK_SET) == 0);
	now = lu_tsc();
	NEED(write(kept, &now, sizeof(now)) == sizeof(now));
	return 0;
}

static int take_over(void)
{
	unsigned long now = lu_tsc(), then;
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "jump-cost");
	int kept = lu_retrieve(session, TOKEN);

	NEED(kept >= 0);
	NEED(lseek(kept, 0, SEEK_SET) == 0);
	NEED(read(kept, &then, sizeof(then)) == sizeof(then));
	printf("# cost of the jump: %lu\n", now - then);
	NEED(lu_finish(session, 0) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return hand_over();
	return take_over();
}
