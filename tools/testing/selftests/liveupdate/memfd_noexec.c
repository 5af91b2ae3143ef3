// SPDX-License-Identifier: GPL-2.0
/*
 * A memfd that was made not to be executable, and to stay so: the only seal
 * of it keeps nobody from writing. Run with "-s 1" before the live update and
 * with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	0x0008U
#endif

#define SIZE	(4 * PAGE)
#define TOKEN	1

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "noexec");
	int fd = memfd_create("noexec", MFD_NOEXEC_SEAL);

	NEED(session >= 0);
	NEED(fd >= 0);
	NEED(lu_fcntl(fd, F_GET_SEALS, 0) == F_SEAL_EXEC);
	NEED(lu_fill(fd, 0, SIZE, TOKEN));
	NEED(!lu_preserve(session, fd, TOKEN));
	lu_hold_sessions();
}

TEST(its_mode_is_sealed_and_nothing_else)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "noexec");
	struct stat status;
	void *map;
	int fd;

	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, TOKEN);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_fcntl(fd, F_GET_SEALS, 0), F_SEAL_EXEC);
	ASSERT_EQ(fstat(fd, &status), 0);
	EXPECT_EQ(status.st_mode & 0111, 0);
	EXPECT_EQ(lu_wrong(fd, 0, SIZE, TOKEN), SIZE);

	/* It can be written to, mapped to be written to, and become longer. */
	EXPECT_TRUE(lu_fill(fd, 0, 2 * SIZE, TOKEN + 1));
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT_NE(map, MAP_FAILED);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
