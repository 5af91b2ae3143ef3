// SPDX-License-Identifier: GPL-2.0
/*
 * A memfd whose pages lie in CMA, as KHO's scratch regions are: preserving it
 * moves them out, or the next kernel would overwrite them. Run with "-s 1"
 * before the live update and with "-s 2" after it, and with scratch regions
 * that are more than half of memory: only then does the kernel take pages that
 * can be moved from there.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define FILE_SIZE	(64UL << 20)
#define REGIONS		16

#define PFN_MASK	((1UL << 55) - 1)

struct region {
	unsigned long long start;
	unsigned long long size;
};

static struct region scratch[REGIONS];
static unsigned int nr_scratch;

/* Reads one hexadecimal number a line. */
static unsigned int read_numbers(const char *path, unsigned long long *numbers)
{
	static char text[REGIONS * 20];
	int fd = open(path, O_RDONLY);
	unsigned int count = 0;
	ssize_t length;
	char *at = text;

	NEED(fd >= 0);
	length = read(fd, text, sizeof(text) - 1);
	NEED(length > 0);
	close(fd);
	text[length] = '\0';
	while (*at && count < REGIONS) {
		numbers[count++] = strtoull(at, &at, 16);
		while (*at == '\n')
			at++;
	}
	return count;
}

static void find_scratch(void)
{
	unsigned long long starts[REGIONS], sizes[REGIONS];

	nr_scratch = read_numbers("/sys/kernel/debug/kho/out/scratch_phys", starts);
	NEED(nr_scratch > 0);
	NEED(read_numbers("/sys/kernel/debug/kho/out/scratch_len", sizes) == nr_scratch);
	for (unsigned int i = 0; i < nr_scratch; i++)
		scratch[i] = (struct region){ starts[i], sizes[i] };
}

/* How many pages of a mapping lie in a scratch region. */
static unsigned long pages_in_scratch(char *map)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	unsigned long count = 0;

	NEED(fd >= 0);
	for (unsigned long at = 0; at < FILE_SIZE; at += PAGE) {
		unsigned long index = ((unsigned long)map + at) / PAGE;
		unsigned long long entry, address;
		off_t offset = index * sizeof(entry);

		/* Not mapped after it was moved, unless it is touched. */
		(void)*(volatile char *)(map + at);
		NEED(lseek(fd, offset, SEEK_SET) == offset);
		NEED(read(fd, &entry, sizeof(entry)) == sizeof(entry));
		address = (entry & PFN_MASK) * PAGE;
		NEED(address);
		for (unsigned int i = 0; i < nr_scratch; i++)
			count += address >= scratch[i].start &&
				 address - scratch[i].start < scratch[i].size;
	}
	close(fd);
	return count;
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int fd = memfd_create("cma", 0);
	unsigned long before;
	int session;
	char *map;

	NEED(device >= 0 && fd >= 0);
	find_scratch();
	NEED(lu_fill(fd, 0, FILE_SIZE, 1));
	map = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	NEED(map != MAP_FAILED);
	before = pages_in_scratch(map);
	printf("# %lu of %lu pages in scratch\n", before, FILE_SIZE / PAGE);
	NEED(before > 0);

	session = lu_create(device, "cma");
	NEED(session >= 0 && lu_preserve(session, fd, 0) == 0);
	NEED(pages_in_scratch(map) == 0);
	NEED(lu_wrong(fd, 0, FILE_SIZE, 1) == FILE_SIZE);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

TEST(data_that_was_in_scratch_came_along)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "cma");
	int fd = lu_retrieve(session, 0);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_wrong(fd, 0, FILE_SIZE, 1), FILE_SIZE);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
