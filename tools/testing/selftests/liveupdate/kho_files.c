// SPDX-License-Identifier: GPL-2.0
/*
 * What KHO shows of a handover in debugfs: device trees, and blobs that are
 * none. Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define KHO	"/sys/kernel/debug/kho/"
#define TOKEN	1

/* Names of subtrees; a kernel need not have all of them. */
static const char *const subtrees[] = {
	"LUO", "kexec-metadata", "memblock", "kho_test",
};

/* The length of a file, all of which is read, or -errno. @start is its first bytes. */
static long read_all(const char *path, unsigned char *start, size_t size)
{
	unsigned char rest[512];
	int fd = open(path, O_RDONLY);
	long length;
	ssize_t done;

	if (fd < 0)
		return -errno;
	length = read(fd, start, size);
	do {
		done = read(fd, rest, sizeof(rest));
		length += done > 0 ? done : 0;
	} while (done > 0);
	close(fd);
	return done < 0 ? -errno : length;
}

static void before(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "shown");
	int fd = memfd_create("shown", 0);

	NEED(session >= 0);
	NEED(fd >= 0 && lu_fill(fd, 0, PAGE, TOKEN));
	NEED(!lu_preserve(session, fd, TOKEN));
	lu_hold_sessions();
}

/*
 * Whether there is a device tree in that directory, and everything it leads to can
 * be read. A tree that is not @finished need not be one yet, nor be shown.
 */
static bool is_readable(const char *dir, bool finished)
{
	static const unsigned char magic[] = { 0xd0, 0x0d, 0xfe, 0xed };
	unsigned char start[sizeof(magic)] = { 0 };
	char path[128];
	long length;
	int found = 0;

	snprintf(path, sizeof(path), KHO "%s/fdt", dir);
	length = read_all(path, start, sizeof(start));
	if (finished ? length <= 0 || memcmp(start, magic, sizeof(magic)) :
		       length < 0 && length != -ENOENT) {
		printf("# %s is no device tree: %ld\n", path, length);
		return false;
	}
	for (size_t i = 0; i < sizeof(subtrees) / sizeof(subtrees[0]); i++) {
		snprintf(path, sizeof(path), KHO "%s/sub_fdts/%s", dir, subtrees[i]);
		length = read_all(path, start, sizeof(start));
		if (length == -ENOENT && i)
			continue;
		/* Its reader has freed it, and the kernel itself cannot read it now. */
		if (length == -EFAULT && finished)
			continue;
		if (length <= 0) {
			printf("# %s cannot be read: %ld\n", path, length);
			return false;
		}
		found++;
	}
	printf("# %s: %d subtrees\n", dir, found);
	return true;
}

/* So much that what is free afterwards was used a moment before. */
static bool use_and_free_memory(void)
{
	int fd = memfd_create("used", 0);
	bool used = fd >= 0 && !lu_fallocate(fd, 0, 0, 256 << 20);

	close(fd);
	return used;
}

TEST(what_was_handed_over_can_be_read)
{
	EXPECT_TRUE(is_readable("in", true));
}

TEST(what_will_be_handed_over_can_be_read)
{
	EXPECT_TRUE(is_readable("out", false));
}

/*
 * Some of it belongs to nobody any more, or to somebody else: it is shown as it is
 * now, or not at all where the kernel itself could not read it.
 */
TEST(what_belongs_to_others_by_now_is_no_danger)
{
	unsigned char start[1];
	char path[128];

	/* A debug kernel takes pages out of its own map when they are freed. */
	ASSERT_TRUE(use_and_free_memory());
	for (size_t i = 0; i < sizeof(subtrees) / sizeof(subtrees[0]); i++) {
		long length;

		snprintf(path, sizeof(path), KHO "in/sub_fdts/%s", subtrees[i]);
		length = read_all(path, start, sizeof(start));
		printf("# %s: %ld\n", path, length);
		if (length != -ENOENT && length != -EFAULT)
			EXPECT_GT(length, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
