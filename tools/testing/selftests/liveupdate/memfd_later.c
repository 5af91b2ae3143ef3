// SPDX-License-Identifier: GPL-2.0
/*
 * A memfd that cannot be retrieved at first, since the system has no open file to
 * spare: the data must still be there when it has. Run with "-s 1" before the live
 * update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define TOKEN		1
#define NOBODY		65534
/* More files than the system has: a KiB each, of a tenth of memory. */
#define FILES		((1UL << 20) - 64)

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "later");
	int fd = memfd_create("later", 0);

	NEED(session >= 0 && fd >= 0);
	NEED(lu_fill(fd, 0, 16 * PAGE, 1));
	NEED(!lu_preserve(session, fd, TOKEN));
	lu_hold_sessions();
}

/*
 * What somebody without privileges gets, who has opened as many files as the
 * system lets him: minus the error.
 */
static int retrieve_as_nobody(int session)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (lu_allow_fds(FILES) || syscall(__NR_setresuid, NOBODY, NOBODY, NOBODY))
			exit(0);
		while (open("/dev/null", O_RDONLY) >= 0)
			;
		if (errno != ENFILE)
			exit(0);
		status = lu_retrieve(session, TOKEN);
		exit(status < 0 ? -status : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 0;
	return -WEXITSTATUS(status);
}

TEST(a_file_that_cannot_be_made_yet_can_be_retrieved_later)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "later");
	int fd;

	ASSERT_GE(session, 0);
	EXPECT_EQ(retrieve_as_nobody(session), -ENFILE);

	fd = lu_retrieve(session, TOKEN);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_wrong(fd, 0, 16 * PAGE, 1), 16 * PAGE);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
