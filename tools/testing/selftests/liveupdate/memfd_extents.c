// SPDX-License-Identifier: GPL-2.0
/*
 * memfds whose pages follow each other in memory: one lies in the file as it
 * does in memory, so that large folios are possible; in the other all is off by
 * one page; nobody asks for the third. Run with "-s 1" before the live update
 * and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

/* Frames of a block that is preserved, and may come back, as a whole. */
#define BLOCK		512UL
#define PAGES		(16 * BLOCK)
/* Where the pages begin in the file, at most. */
#define LEAD		(2 * BLOCK)
#define TRIES		64

enum { ALIGNED = 1, SHIFTED, LEFT };

#define FRAME_BITS	55

/* How a file lies in memory. */
struct layout {
	/* The first page that is no hole. */
	unsigned long start;
	/* Blocks of which all pages follow each other and are aligned: in all, and in the file, too. */
	unsigned long blocks, alike;
	/* The frame of the last page. */
	unsigned long last;
};

static unsigned long frame(int pagemap, const void *page)
{
	unsigned long entry, offset = (unsigned long)page / PAGE * sizeof(entry);

	if (lseek(pagemap, offset, SEEK_SET) != (off_t)offset ||
	    read(pagemap, &entry, sizeof(entry)) != sizeof(entry))
		return 0;
	return entry & ((1UL << FRAME_BITS) - 1);
}

static bool look(int fd, struct layout *layout)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	unsigned long end = layout->start + PAGES, run = 0, first = 0;
	unsigned char *map = mmap(NULL, end * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (pagemap < 0 || map == MAP_FAILED)
		return false;
	layout->blocks = layout->alike = 0;
	for (unsigned long index = layout->start; index < end; index++) {
		volatile unsigned char *page = map + index * PAGE;
		unsigned long now;

		(void)*page;
		now = frame(pagemap, map + index * PAGE);
		if (!now)
			return false;
		if (now != first + run) {
			first = now;
			run = 0;
		}
		run++;
		layout->last = now;
		if ((now + 1) % BLOCK == 0 && run >= BLOCK) {
			layout->blocks++;
			layout->alike += (index + 1) % BLOCK == 0;
		}
	}
	munmap(map, end * PAGE);
	close(pagemap);
	return true;
}

/* A file whose pages begin at @start. */
static int make(unsigned long start, unsigned int seed, struct layout *layout)
{
	int fd = memfd_create("extents", 0);

	layout->start = start;
	NEED(fd >= 0);
	NEED(lu_fill(fd, start * PAGE, (start + PAGES) * PAGE, seed));
	NEED(look(fd, layout));
	return fd;
}

/*
 * A file with blocks, either all or none of them alike. Where the pages will be
 * can be guessed from where the last ones are, and not more than guessed.
 */
static int make_like(bool alike, unsigned int seed, struct layout *layout)
{
	unsigned long off = alike ? 0 : 1, start = 0;

	for (int tries = 0; tries < TRIES; tries++) {
		int fd = make(start, seed, layout);

		if (layout->blocks && layout->alike == (alike ? layout->blocks : 0))
			return fd;
		start = (layout->last + 1 + off) % BLOCK;
		/* What it had may be what comes next, so that it is not given back yet. */
	}
	printf("# no file is as it should be, in memory, after %d tries\n", TRIES);
	exit(1);
}

static void before(void)
{
	struct layout layout;
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "extents");
	int fd;

	NEED(session >= 0);
	for (int token = ALIGNED; token <= LEFT; token++) {
		fd = make_like(token == ALIGNED, token, &layout);
		/* For the next kernel. */
		NEED(lseek(fd, (LEAD + PAGES) * PAGE, SEEK_SET) >= 0);
		NEED(write(fd, &layout, sizeof(layout)) == sizeof(layout));
		NEED(!lu_preserve(session, fd, token));
		printf("# file %d begins at page %lu, %lu blocks, %lu alike\n",
		       token, layout.start, layout.blocks, layout.alike);
	}
	lu_hold_sessions();
}

/* What came back, for all tests: each runs in a process of its own. */
struct file {
	int fd;
	struct layout layout;
	/* KiB more of huge pages than before it was retrieved. */
	long huge;
};

static int session;
static struct file files[LEFT];

static void retrieve(int token)
{
	off_t end = (LEAD + PAGES) * PAGE;
	struct file *file = &files[token];
	long before = lu_meminfo("ShmemHugePages");

	file->fd = lu_retrieve(session, token);
	if (file->fd >= 0 &&
	    (lseek(file->fd, end, SEEK_SET) != end ||
	     read(file->fd, &file->layout, sizeof(file->layout)) != sizeof(file->layout)))
		file->fd = -EIO;
	file->huge = lu_meminfo("ShmemHugePages") - before;
}

static void after(void)
{
	session = lu_retrieve_session(open(LU_DEVICE, O_RDWR), "extents");
	for (int token = ALIGNED; token <= SHIFTED; token++)
		retrieve(token);
}

TEST(pages_come_back_where_they_were)
{
	for (int token = ALIGNED; token <= SHIFTED; token++) {
		unsigned long start = files[token].layout.start * PAGE;
		unsigned long end = start + PAGES * PAGE, last = (LEAD + PAGES) * PAGE;
		int fd = files[token].fd;

		ASSERT_GE(fd, 0) {
			TH_LOG("file %d", token);
		}
		EXPECT_EQ(lu_wrong(fd, 0, start, 0), start);
		EXPECT_EQ(lu_wrong(fd, start, end, token), end);
		EXPECT_EQ(lu_wrong(fd, end, last, 0), last);
	}
}

TEST(pages_come_back_as_large_folios_where_they_can)
{
	unsigned long alike = files[ALIGNED].layout.alike;

	EXPECT_GT(alike, 0);
	EXPECT_GE(files[ALIGNED].huge, (long)(alike * BLOCK * PAGE / 1024));
	EXPECT_EQ(files[SHIFTED].layout.alike, 0);
	EXPECT_EQ(files[SHIFTED].huge, 0);
}

TEST(what_nobody_asked_for_is_free_afterwards)
{
	long before;

	ASSERT_TRUE(lu_count_free_memory_exactly());
	before = lu_meminfo("MemFree");
	ASSERT_EQ(lu_finish(session, 0), 0);
	EXPECT_GE(lu_meminfo("MemFree") - before, (long)(PAGES * PAGE / 1024) * 9 / 10);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	after();
	return test_harness_run(1, argv);
}
