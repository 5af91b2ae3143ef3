// SPDX-License-Identifier: GPL-2.0
/*
 * What a memfd is after a live update: the same data, the same holes read as
 * zero, the same size, position and seals, and accounted for. Run with "-s 1"
 * before the live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define HUGE_PAGE	(2UL << 20)
#define BIG		(64UL << 20)
#define RANDOM_PAGES	4096UL
#define SHUFFLED	10

#define SEALS		(F_SEAL_GROW | F_SEAL_SHRINK)
#define ALL_SEALS	(SEALS | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | \
			 F_SEAL_SEAL)
#define POSITION	(PAGE + 17)

static const char late[] = "written after preserve";

/* Fills free memory with ones, so that a page that nobody cleared shows. */
static bool stain_free_memory(void)
{
	unsigned long size = 256UL << 20;
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return false;
	memset(map, 0xff, size);
	return munmap(map, size) == 0;
}

/* Stage 1. */

static int device;

static int sized_memfd(unsigned long size)
{
	int fd = memfd_create("behaviour", MFD_ALLOW_SEALING);

	NEED(fd >= 0);
	NEED(!size || ftruncate(fd, size) == 0);
	return fd;
}

static void preserve(const char *name, int memfd)
{
	int session = lu_create(device, name);

	NEED(session >= 0);
	NEED(lu_preserve(session, memfd, 0) == 0);
}

static void prepare_contents(void)
{
	int fd = sized_memfd(16 * PAGE);

	NEED(lu_fill(fd, 3 * PAGE, 4 * PAGE, 1) && lu_fill(fd, 10 * PAGE, 11 * PAGE, 1));
	preserve("holes", fd);

	NEED(stain_free_memory());
	fd = sized_memfd(0);
	NEED(lu_fallocate(fd, 0, 0, 512 * PAGE) == 0);
	preserve("fallocated", fd);

	fd = sized_memfd(0);
	NEED(lu_fill(fd, 0, 3 * PAGE + 123, 2));
	preserve("odd-size", fd);

	preserve("empty", sized_memfd(0));
}

static void prepare_late_writes(void)
{
	int fd = sized_memfd(4 * PAGE);
	char *map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	volatile char *clean = map + 2 * PAGE;

	NEED(map != MAP_FAILED);
	/* Read, so that there is a clean folio when it is preserved. */
	NEED(*clean == 0);
	preserve("late", fd);
	memcpy(map + 2 * PAGE, late, sizeof(late));
	NEED(lseek(fd, PAGE, SEEK_SET) == (off_t)PAGE);
	NEED(write(fd, late, sizeof(late)) == sizeof(late));

	fd = sized_memfd(8 * PAGE);
	preserve("position", fd);
	NEED(lseek(fd, POSITION, SEEK_SET) == (off_t)POSITION);
}

static void prepare_seals(void)
{
	int fd = sized_memfd(2 * PAGE);

	NEED(lu_fill(fd, 0, 2 * PAGE, 3));
	NEED(lu_fcntl(fd, F_ADD_SEALS, SEALS) == 0);
	preserve("some-seals", fd);

	fd = sized_memfd(2 * PAGE);
	NEED(lu_fill(fd, 0, 2 * PAGE, 4));
	NEED(lu_fcntl(fd, F_ADD_SEALS, ALL_SEALS) == 0);
	preserve("all-seals", fd);
}

static void prepare_huge_pages(void)
{
	int fd;

	NEED(lu_write_text("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
			"always"));
	fd = sized_memfd(2 * HUGE_PAGE);
	NEED(lu_fill(fd, 0, 2 * HUGE_PAGE, 5));
	NEED(lu_meminfo("ShmemHugePages") >= (long)(2 * HUGE_PAGE >> 10));
	preserve("huge", fd);
	NEED(lu_write_text("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
			"never"));
}

static void prepare_many(void)
{
	int session = lu_create(device, "shuffled");

	NEED(session >= 0);
	for (unsigned int i = 0; i < SHUFFLED; i++) {
		int fd = sized_memfd(0);

		NEED(lu_fill(fd, 0, (i + 1) * PAGE, 10 + i));
		NEED(lu_preserve(session, fd, i) == 0);
		close(fd);
	}
}

static void prepare_big(void)
{
	static const char *const names[] = { "never-retrieved", "dropped" };
	long before, shmem;
	int session, fd;

	for (int i = 0; i < 2; i++) {
		fd = sized_memfd(0);
		NEED(lu_fill(fd, 0, BIG, 30));
		preserve(names[i], fd);
	}

	/* What is given back in this kernel is free in this kernel. */
	before = lu_meminfo("MemFree");
	shmem = lu_meminfo("Shmem");
	fd = sized_memfd(0);
	NEED(lu_fill(fd, 0, BIG, 31));
	session = lu_create(device, "given-back");
	NEED(session >= 0 && lu_preserve(session, fd, 0) == 0);
	/* Not MemFree: the boot may still be freeing memory of its own. */
	NEED(lu_meminfo("Shmem") > shmem + (long)(BIG >> 10) * 9 / 10);
	close(session);
	close(fd);
	NEED(lu_meminfo("MemFree") > before - (long)(BIG >> 10) / 10);
}

/* Pages of which none is next to the one before it, as their bits are reversed. */
static void prepare_random(void)
{
	int fd = sized_memfd(0);

	NEED(ftruncate(fd, RANDOM_PAGES * PAGE) == 0);
	for (unsigned long i = 0; i < RANDOM_PAGES; i++) {
		unsigned long page = 0;

		for (unsigned long bit = 1; bit < RANDOM_PAGES; bit <<= 1)
			page = page << 1 | !!(i & bit);
		NEED(lu_fill(fd, page * PAGE, (page + 1) * PAGE, 40));
	}
	preserve("never-retrieved-random", fd);
}

static int prepare(void)
{
	device = open(LU_DEVICE, O_RDWR);
	NEED(device >= 0);
	NEED(lu_count_free_memory_exactly());
	prepare_contents();
	prepare_late_writes();
	prepare_seals();
	prepare_huge_pages();
	prepare_many();
	prepare_big();
	prepare_random();
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

/* Stage 2. */

FIXTURE(memfd)
{
	int device;
};

FIXTURE_SETUP(memfd)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	ASSERT_TRUE(lu_count_free_memory_exactly());
}

FIXTURE_TEARDOWN(memfd)
{
	close(self->device);
}

/* The only memfd of the session, which stays open until the test ends. */
static int retrieve(int device, const char *name)
{
	int session = lu_retrieve_session(device, name);

	return session < 0 ? session : lu_retrieve(session, 0);
}

static off_t size_of(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

TEST_F(memfd, holes_read_as_zero_and_data_as_written)
{
	int fd = retrieve(self->device, "holes");

	ASSERT_GE(fd, 0);
	EXPECT_EQ(size_of(fd), 16 * PAGE);
	EXPECT_EQ(lu_wrong(fd, 0, 3 * PAGE, 0), 3 * PAGE);
	EXPECT_EQ(lu_wrong(fd, 3 * PAGE, 4 * PAGE, 1), 4 * PAGE);
	EXPECT_EQ(lu_wrong(fd, 4 * PAGE, 10 * PAGE, 0), 10 * PAGE);
	EXPECT_EQ(lu_wrong(fd, 10 * PAGE, 11 * PAGE, 1), 11 * PAGE);
	EXPECT_EQ(lu_wrong(fd, 11 * PAGE, 16 * PAGE, 0), 16 * PAGE);
}

TEST_F(memfd, what_was_allocated_and_never_written_reads_as_zero)
{
	int fd = retrieve(self->device, "fallocated");

	ASSERT_GE(fd, 0);
	EXPECT_EQ(size_of(fd), 512 * PAGE);
	EXPECT_EQ(lu_wrong(fd, 0, 512 * PAGE, 0), 512 * PAGE);
}

TEST_F(memfd, a_size_that_is_no_multiple_of_pages_is_kept)
{
	int fd = retrieve(self->device, "odd-size");

	ASSERT_GE(fd, 0);
	EXPECT_EQ(size_of(fd), 3 * PAGE + 123);
	EXPECT_EQ(lu_wrong(fd, 0, 3 * PAGE + 123, 2), 3 * PAGE + 123);
	/* It can grow again, and what is new is zero. */
	ASSERT_EQ(ftruncate(fd, 5 * PAGE), 0);
	EXPECT_EQ(lu_wrong(fd, 3 * PAGE + 123, 5 * PAGE, 0), 5 * PAGE);
}

TEST_F(memfd, an_empty_one_stays_empty_and_usable)
{
	int fd = retrieve(self->device, "empty");

	ASSERT_GE(fd, 0);
	EXPECT_EQ(size_of(fd), 0);
	EXPECT_TRUE(lu_fill(fd, 0, 2 * PAGE, 6));
	EXPECT_EQ(lu_wrong(fd, 0, 2 * PAGE, 6), 2 * PAGE);
}

TEST_F(memfd, what_was_written_after_preserve_came_along_and_stays)
{
	int fd = retrieve(self->device, "late");
	char found[sizeof(late)] = {};

	ASSERT_GE(fd, 0);
	/* Drops what is clean: a folio taken for clean would lose its data. */
	ASSERT_TRUE(lu_write_text("/proc/sys/vm/drop_caches", "3"));
	ASSERT_EQ(lseek(fd, PAGE, SEEK_SET), PAGE);
	ASSERT_EQ(read(fd, found, sizeof(found)), sizeof(found));
	EXPECT_STREQ(found, late);
	ASSERT_EQ(lseek(fd, 2 * PAGE, SEEK_SET), 2 * PAGE);
	ASSERT_EQ(read(fd, found, sizeof(found)), sizeof(found));
	EXPECT_STREQ(found, late);
}

TEST_F(memfd, the_position_is_that_at_the_update)
{
	int fd = retrieve(self->device, "position");

	ASSERT_GE(fd, 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), POSITION);
}

TEST_F(memfd, seals_are_kept_and_more_can_be_added)
{
	int fd = retrieve(self->device, "some-seals");

	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_fcntl(fd, F_GET_SEALS, 0), SEALS);
	EXPECT_EQ(ftruncate(fd, PAGE), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_TRUE(lu_fill(fd, 0, PAGE, 7));
	EXPECT_EQ(lu_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	EXPECT_FALSE(lu_fill(fd, 0, PAGE, 8));
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(lu_wrong(fd, 0, PAGE, 7), PAGE);
}

TEST_F(memfd, a_fully_sealed_one_has_its_data_and_lets_nobody_at_it)
{
	int fd = retrieve(self->device, "all-seals");

	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_fcntl(fd, F_GET_SEALS, 0), ALL_SEALS);
	EXPECT_EQ(lu_wrong(fd, 0, 2 * PAGE, 4), 2 * PAGE);
	EXPECT_FALSE(lu_fill(fd, 0, PAGE, 8));
	EXPECT_EQ(lu_fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC), -1);
	EXPECT_EQ(errno, EPERM);
}

TEST_F(memfd, huge_pages_come_along)
{
	int fd = retrieve(self->device, "huge");

	ASSERT_GE(fd, 0);
	EXPECT_EQ(size_of(fd), 2 * HUGE_PAGE);
	EXPECT_EQ(lu_wrong(fd, 0, 2 * HUGE_PAGE, 5), 2 * HUGE_PAGE);
	EXPECT_TRUE(lu_fill(fd, PAGE, 3 * PAGE, 9));
	EXPECT_EQ(lu_wrong(fd, PAGE, 3 * PAGE, 9), 3 * PAGE);
}

TEST_F(memfd, ten_come_back_in_another_order_with_their_blocks_accounted_for)
{
	int session = lu_retrieve_session(self->device, "shuffled");
	/* Another order than that of preserving. */
	static const unsigned int order[SHUFFLED] = {
		7, 2, 9, 0, 5, 3, 8, 1, 6, 4,
	};

	ASSERT_GE(session, 0);
	for (unsigned int i = 0; i < SHUFFLED; i++) {
		unsigned int token = order[i];
		unsigned long size = (token + 1) * PAGE;
		int fd = lu_retrieve(session, token);
		struct stat stat;

		ASSERT_GE(fd, 0);
		EXPECT_EQ(size_of(fd), size);
		EXPECT_EQ(lu_wrong(fd, 0, size, 10 + token), size);
		ASSERT_EQ(fstat(fd, &stat), 0);
		EXPECT_EQ(stat.st_blocks * 512, size);
	}
	EXPECT_EQ(lu_finish(session, 0), 0);
}

TEST_F(memfd, finish_without_retrieve_frees_the_memory)
{
	int session = lu_retrieve_session(self->device, "never-retrieved");
	long before = lu_meminfo("MemFree");

	ASSERT_GE(session, 0);
	ASSERT_GT(before, 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_GT(lu_meminfo("MemFree"), before + (long)(BIG >> 10) * 9 / 10);
}

TEST_F(memfd, finish_without_retrieve_frees_pages_in_any_order)
{
	int session = lu_retrieve_session(self->device, "never-retrieved-random");
	long before = lu_free_memory();
	long size = RANDOM_PAGES * PAGE >> 10;

	ASSERT_GE(session, 0);
	ASSERT_GT(before, 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_GT(lu_free_memory(), before + size * 99 / 100);
}

TEST_F(memfd, the_last_descriptor_frees_the_memory_after_finish)
{
	int session = lu_retrieve_session(self->device, "dropped");
	long before = lu_meminfo("MemFree");
	int fd;

	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_wrong(fd, 0, BIG, 30), BIG);
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_LT(lu_meminfo("MemFree"), before + (long)(BIG >> 10) / 10);
	close(fd);
	EXPECT_GT(lu_meminfo("MemFree"), before + (long)(BIG >> 10) * 9 / 10);
}

/* The command line says what the machine has, where that matters. */
static void need_machine(void)
{
	unsigned long cpus = lu_parameter("lu_cpus", 0);
	unsigned long mib = lu_parameter("lu_mib", 0);
	unsigned long nodes = lu_parameter("lu_nodes", 0);
	char text[64], *last;

	NEED(lu_read_text("/sys/devices/system/cpu/online", text, sizeof(text)));
	last = strchr(text, '-');
	NEED(!cpus || strtoul(last ? last + 1 : text, NULL, 10) + 1 == cpus);
	/* The kernel is not counted, nor what is preserved still. */
	NEED(lu_meminfo("MemTotal") >= (long)mib * 1024 / 2);
	snprintf(text, sizeof(text), "/sys/devices/system/node/node%lu", nodes - 1);
	NEED(!nodes || access(text, F_OK) == 0);
}

int main(int argc, char **argv)
{
	need_machine();
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
