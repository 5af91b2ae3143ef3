// SPDX-License-Identifier: GPL-2.0
/*
 * Memfds whose pages are in swap when they are preserved come back with all
 * their data. Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define SWAP_DEVICE	"/dev/ram0"
#define SWAP_PAGES	16384UL

#define FILE_PAGES	1024UL
#define FILE_SIZE	(FILE_PAGES * PAGE)
/* Of the mixed file every other run of so many pages is in swap. */
#define RUN		16UL

/* Pages may be on the list of some processor, where no reclaim finds them. */
#define TRIES		100

/* The first page of a swap device, as mkswap writes it. */
struct swap_header {
	char boot[1024];
	unsigned int version;
	unsigned int last_page;
	unsigned int nr_bad_pages;
	char unused[PAGE - 1024 - 3 * 4 - 10];
	char magic[10];
} __attribute__((packed));

static void add_swap(void)
{
	static struct swap_header header = {
		.version = 1,
		.last_page = SWAP_PAGES - 1,
	};
	int fd = open(SWAP_DEVICE, O_RDWR);
	int err;

	NEED(fd >= 0);
	memcpy(header.magic, "SWAPSPACE2", sizeof(header.magic));
	NEED(write(fd, &header, sizeof(header)) == sizeof(header));
	NEED(fsync(fd) == 0);
	close(fd);
	err = syscall(__NR_swapon, SWAP_DEVICE, 0);
	NEED(err == 0);
}

/* How many pages of the mapping are in memory, be they mapped or not. */
static unsigned long resident(void *map, unsigned long pages)
{
	static unsigned char there[FILE_PAGES];
	unsigned long count = 0;
	int err;

	err = syscall(__NR_mincore, map, pages * PAGE, there);
	NEED(err == 0);
	for (unsigned long i = 0; i < pages; i++)
		count += there[i] & 1;
	return count;
}

/* Puts pages of a shared mapping into swap. */
static void swap_out(char *map, unsigned long pages)
{
	for (unsigned int i = 0; i < TRIES && resident(map, pages); i++) {
		/* Has all processors give up the pages on their lists. */
		NEED(lu_write_text("/proc/sys/vm/drop_caches", "1"));
		NEED(lu_madvise(map, pages * PAGE, MADV_PAGEOUT) == 0);
	}
	NEED(resident(map, pages) == 0);
}

/* A file in memory, and a mapping of it: only what is mapped can be told to go. */
static char *make_file(int *fd, unsigned int seed)
{
	char *map;

	*fd = memfd_create("swapped", 0);
	NEED(*fd >= 0 && lu_fill(*fd, 0, FILE_SIZE, seed));
	map = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, *fd, 0);
	NEED(map != MAP_FAILED);
	for (unsigned long i = 0; i < FILE_SIZE; i += PAGE)
		NEED(*(volatile unsigned char *)(map + i) == lu_pattern(i, seed));
	return map;
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int swapped, mixed, session;
	char *map, *mixed_map;
	long swap_free;

	NEED(device >= 0);
	add_swap();
	swap_free = lu_meminfo("SwapFree");
	NEED(swap_free >= (long)(2 * FILE_SIZE >> 10));

	map = make_file(&swapped, 1);
	mixed_map = make_file(&mixed, 2);
	swap_out(map, FILE_PAGES);
	for (unsigned long i = 0; i < FILE_PAGES; i += 2 * RUN)
		swap_out(mixed_map + i * PAGE, RUN);
	NEED(resident(mixed_map, FILE_PAGES) >= FILE_PAGES / 2);
	/* What is gone from memory is in swap. */
	NEED(lu_meminfo("SwapFree") <= swap_free - (long)(FILE_SIZE >> 10));

	session = lu_create(device, "swapped");
	NEED(session >= 0);
	NEED(lu_preserve(session, swapped, 0) == 0);
	NEED(lu_preserve(session, mixed, 1) == 0);
	NEED(resident(map, FILE_PAGES) == FILE_PAGES);
	NEED(resident(mixed_map, FILE_PAGES) == FILE_PAGES);

	/* They are pinned: no reclaim may take them again before the jump. */
	NEED(lu_madvise(map, FILE_SIZE, MADV_PAGEOUT) == 0);
	NEED(resident(map, FILE_PAGES) == FILE_PAGES);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

FIXTURE(swapped)
{
	int device;
	int session;
};

FIXTURE_SETUP(swapped)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	self->session = lu_retrieve_session(self->device, "swapped");
	ASSERT_GE(self->session, 0);
}

FIXTURE_TEARDOWN(swapped)
{
	close(self->session);
	close(self->device);
}

TEST_F(swapped, all_data_of_both_files_came_along)
{
	for (unsigned int token = 0; token < 2; token++) {
		int fd = lu_retrieve(self->session, token);

		ASSERT_GE(fd, 0);
		EXPECT_EQ(lseek(fd, 0, SEEK_END), FILE_SIZE);
		EXPECT_EQ(lu_wrong(fd, 0, FILE_SIZE, token + 1), FILE_SIZE);
		close(fd);
	}
	EXPECT_EQ(lu_finish(self->session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
