// SPDX-License-Identifier: GPL-2.0
/*
 * Whose memory a memfd is after a live update: that of the memory cgroup which
 * retrieves it, within its limit. Run with "-s 1" before the live update and with
 * "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#include <sys/mount.h>

#define CGROUPS		"/tmp/cgroup"
#define FITS		1
#define TOO_LARGE	2
#define BYTES		(16UL << 20)

/* A limit with room for the memfd and the process, and one without. */
#define ENOUGH		"33554432"
#define TOO_LITTLE	"8388608"

static bool cgroup_write(const char *group, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", group, file);
	return lu_write_text(path, text);
}

static long cgroup_read(const char *group, const char *file)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", group, file);
	return lu_read_text(path, text, sizeof(text)) ? atol(text) : -errno;
}

static bool cgroup_make(const char *group, const char *limit)
{
	char path[128];

	mkdir(CGROUPS, 0755);
	if (mount("none", CGROUPS, "cgroup2", 0, NULL) && errno != EBUSY)
		return false;
	if (!lu_write_text(CGROUPS "/cgroup.subtree_control", "+memory"))
		return false;
	snprintf(path, sizeof(path), CGROUPS "/%s", group);
	return !mkdir(path, 0755) && cgroup_write(group, "memory.max", limit);
}

static void before(void)
{
	static char page[PAGE];
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "memcg");

	NEED(session >= 0);
	memset(page, 'm', sizeof(page));
	for (int token = FITS; token <= TOO_LARGE; token++) {
		int memfd = memfd_create("memcg", 0);

		for (unsigned long at = 0; at < BYTES; at += PAGE)
			NEED(write(memfd, page, PAGE) == PAGE);
		NEED(lu_preserve(session, memfd, token) == 0);
		close(memfd);
	}
	lu_hold_sessions();
}

FIXTURE(memcg) {
	int device;
	int session;
};

FIXTURE_SETUP(memcg)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	self->session = lu_retrieve_session(self->device, "memcg");
	ASSERT_GE(self->session, 0);
}

FIXTURE_TEARDOWN(memcg)
{
}

TEST_F(memcg, a_memfd_is_charged_to_who_retrieves_it_and_never_beyond_the_limit)
{
	static char page[PAGE];
	int status, fd;
	long charged;
	pid_t pid;

	ASSERT_TRUE(cgroup_make("enough", ENOUGH));
	ASSERT_TRUE(cgroup_make("little", TOO_LITTLE));

	/* Some process in a group that has no room for it. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (!cgroup_write("little", "cgroup.procs", "0"))
			_exit(100);
		fd = lu_retrieve(self->session, TOO_LARGE);
		_exit(fd >= 0 ? 101 : -fd);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	/* The kernel kills who exceeds a limit, as it does on a page fault. */
	EXPECT_TRUE((WIFEXITED(status) && WEXITSTATUS(status) == ENOMEM) ||
		    (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	EXPECT_LE(cgroup_read("little", "memory.current"), (long)BYTES / 2);

	/* And this one, in a group that has. */
	ASSERT_TRUE(cgroup_write("enough", "cgroup.procs", "0"));
	fd = lu_retrieve(self->session, FITS);
	ASSERT_GE(fd, 0);
	charged = cgroup_read("enough", "memory.current");
	EXPECT_GE(charged, (long)BYTES);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	for (unsigned long at = 0; at < BYTES; at += PAGE) {
		ASSERT_EQ(read(fd, page, PAGE), (ssize_t)PAGE);
		ASSERT_EQ(page[0], 'm');
		ASSERT_EQ(page[PAGE - 1], 'm');
	}
	EXPECT_EQ(lu_finish(self->session, 0), 0);
	close(fd);
	EXPECT_LE(cgroup_read("enough", "memory.current"), charged - (long)BYTES + (1L << 20));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		before();
	return test_harness_run(1, argv);
}
