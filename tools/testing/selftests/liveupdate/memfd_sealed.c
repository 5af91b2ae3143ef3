// SPDX-License-Identifier: GPL-2.0
/*
 * A memfd that is sealed after it was preserved: whoever has a descriptor of it
 * relies on that. Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#include <linux/memfd.h>

#define TOKEN	1
/* F_SEAL_WRITE is refused while a file is preserved. */
#define LATE	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE)

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "sealed");
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	NEED(session >= 0 && fd >= 0);
	NEED(lu_fill(fd, 0, PAGE, 1));
	NEED(!lu_preserve(session, fd, TOKEN));
	NEED(!lu_fcntl(fd, F_ADD_SEALS, LATE));
	lu_hold_sessions();
}

TEST(seals_of_a_preserved_file_are_kept)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "sealed");
	int fd = lu_retrieve(session, TOKEN);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_wrong(fd, 0, PAGE, 1), PAGE);
	EXPECT_EQ(lu_fcntl(fd, F_GET_SEALS, 0), LATE);
	EXPECT_LT(ftruncate(fd, 0), 0);
	EXPECT_LT(lu_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
