// SPDX-License-Identifier: GPL-2.0
/*
 * A machine much of whose memory is huge pages: "lu_huge_pages=" of the command
 * line says how many the kernel has been asked for. Run with "-s 1" before the
 * live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define SIZE	(16 * PAGE)
#define TOKEN	1

static bool huge_pages_are_there(void)
{
	long wanted = lu_parameter("lu_huge_pages", 1);
	char pages[32];

	return lu_read_text("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages",
			    pages, sizeof(pages)) &&
	       atol(pages) == wanted;
}

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "beside-huge-pages");
	int fd = memfd_create("beside-huge-pages", 0);

	NEED(huge_pages_are_there());
	NEED(session >= 0);
	NEED(fd >= 0 && lu_fill(fd, 0, SIZE, TOKEN));
	NEED(!lu_preserve(session, fd, TOKEN));
	lu_hold_sessions();
}

TEST(files_and_huge_pages_have_room_for_each_other)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "beside-huge-pages");
	int fd;

	EXPECT_TRUE(huge_pages_are_there());
	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, TOKEN);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_wrong(fd, 0, SIZE, TOKEN), SIZE);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
