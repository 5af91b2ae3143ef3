// SPDX-License-Identifier: GPL-2.0
/*
 * A memfd that is mapped as high as page tables reach, in both kernels. With
 * five levels that is above 47 bits, which shows that there are five:
 * "lu_levels=" of the command line says how many there should be.
 *
 * Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define SIZE	(4 * PAGE)
#define TOKEN	1

/* A place that only five levels reach, and the end of where four do. */
#define HIGH		(1UL << 52)
#define FOUR_LEVELS	(1UL << 47)

/* Where the file is mapped, or NULL if that does not fit the number of levels. */
static unsigned char *map_high(int fd)
{
	unsigned char *map = mmap((void *)HIGH, SIZE, PROT_READ | PROT_WRITE,
				  MAP_SHARED, fd, 0);
	bool high = (unsigned long)map >= FOUR_LEVELS;

	if (map == MAP_FAILED || high != (lu_parameter("lu_levels", 0) == 5))
		return NULL;
	return map;
}

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "high");
	int fd = memfd_create("high", 0);
	unsigned char *map;

	NEED(session >= 0);
	NEED(fd >= 0 && !ftruncate(fd, SIZE));
	map = map_high(fd);
	NEED(map);
	for (unsigned long i = 0; i < SIZE; i++)
		map[i] = lu_pattern(i, TOKEN);
	NEED(!lu_preserve(session, fd, TOKEN));
	lu_hold_sessions();
}

TEST(a_memfd_is_mapped_as_high_as_before)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "high");
	unsigned long wrong = 0;
	unsigned char *map;
	int fd;

	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, TOKEN);
	ASSERT_GE(fd, 0);
	map = map_high(fd);
	ASSERT_NE(map, NULL);
	for (unsigned long i = 0; i < SIZE; i++)
		wrong += map[i] != lu_pattern(i, TOKEN);
	EXPECT_EQ(wrong, 0);
	map[SIZE - 1] = 0;
	EXPECT_EQ(lu_wrong(fd, 0, SIZE, TOKEN), SIZE - 1);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
