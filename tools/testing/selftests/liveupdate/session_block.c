// SPDX-License-Identifier: GPL-2.0
/*
 * As many sessions as fill a block of the list that is handed over, and one more
 * that is refused: a kernel may have begun another block by then. Run with "-s 1"
 * before the live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

/* Sessions in a block of 4 KiB. */
#define SESSIONS	51
#define TOKEN		1

static const char *name_of(int number)
{
	static char name[16];

	snprintf(name, sizeof(name), "session %d", number);
	return name;
}

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);

	for (int number = 0; number < SESSIONS; number++) {
		int session = lu_create(device, name_of(number));
		int fd = memfd_create("file", 0);

		NEED(session >= 0 && fd >= 0);
		NEED(lu_fill(fd, 0, PAGE, number + 1));
		NEED(!lu_preserve(session, fd, TOKEN));
		close(fd);
	}
	NEED(lu_create(device, name_of(0)) == -EEXIST);
	lu_hold_sessions();
}

TEST(all_sessions_survive_one_that_could_not_be_made)
{
	int device = open(LU_DEVICE, O_RDWR);

	ASSERT_GE(device, 0);
	for (int number = 0; number < SESSIONS; number++) {
		int session = lu_retrieve_session(device, name_of(number));
		int fd = lu_retrieve(session, TOKEN);

		ASSERT_GE(fd, 0) {
			TH_LOG("session %d: %d, its file: %d", number, session, fd);
		}
		EXPECT_EQ(lu_wrong(fd, 0, PAGE, number + 1), PAGE);
		EXPECT_EQ(lu_finish(session, 0), 0);
		close(fd);
		close(session);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
