// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing is loaded that could be started: the kexec is refused, and costs
 * nothing, also those who work with sessions meanwhile. Once a kernel is loaded,
 * with all of it prepared already, it takes everything along.
 *
 * Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include <sys/reboot.h>

#include "lu_test.h"
#include "lu_harness.h"
#include "../../vm/guest/next_kernel.h"

#define FILE_SIZE	(16 * PAGE)

/* Each time the kernel is loaded, except the last, it is unloaded again. */
#define LOADS		3
#define REFUSALS	20

static int new_memfd(unsigned int seed)
{
	int fd = memfd_create("refused", 0);

	NEED(fd >= 0 && lu_fill(fd, 0, FILE_SIZE, seed));
	return fd;
}

static void load(void)
{
	int kernel = open(KERNEL, O_RDONLY);
	char cmdline[CMDLINE_MAX];
	const char *failed;

	NEED(kernel >= 0);
	NEED(read_line(CMDLINE, cmdline));
	failed = load_next_kernel(kernel, cmdline);
	close(kernel);
	if (failed)
		printf("# %s failed\n", failed);
	NEED(!failed);
}

static void unload(void)
{
	NEED(!syscall(__NR_kexec_file_load, -1, -1, 0UL, NULL,
		      (unsigned long)KEXEC_FILE_UNLOAD));
}

/* What somebody else does all the time. */
static void work(int device, volatile int *rounds)
{
	int memfd = new_memfd(5);

	for (;; (*rounds)++) {
		int session = lu_create(device, "somebody-else");

		NEED(session >= 0);
		NEED(lu_preserve(session, memfd, 1) == 0);
		NEED(close(session) == 0);
		NEED(ftruncate(memfd, 2 * FILE_SIZE) == 0);
		NEED(ftruncate(memfd, FILE_SIZE) == 0);
	}
}

static void be_refused(void)
{
	int err = reboot(RB_KEXEC);

	NEED(err == -1 && errno == EINVAL);
}

static int prepare(void)
{
	volatile int *rounds = lu_shared_memory(sizeof(*rounds));
	int device = open(LU_DEVICE, O_RDWR);
	int kept = lu_create(device, "kept");
	int dropped = lu_create(device, "dropped");
	int first = new_memfd(1), second = new_memfd(2), third = new_memfd(3);
	pid_t pid;

	NEED(rounds && device >= 0 && kept >= 0 && dropped >= 0);
	NEED(lu_preserve(kept, first, 1) == 0);
	NEED(lu_preserve(dropped, third, 1) == 0);
	pid = fork();
	NEED(pid >= 0);
	if (!pid) {
		lu_die_with_parent();
		work(device, rounds);
	}

	for (int round = 0; round < LOADS; round++) {
		int before = *rounds;

		unload();
		for (int i = 0; i < REFUSALS; i++) {
			be_refused();
			lu_need_usable(device, "kept", kept, first);
		}
		NEED(lu_comes_true(*rounds > before));
		load();
	}
	NEED(lu_kill(pid));

	/* Everything still changes, with the kernel loaded. */
	close(dropped);
	NEED(ftruncate(third, 2 * FILE_SIZE) == 0);
	NEED(lu_preserve(kept, second, 2) == 0);
	NEED(lu_fill(second, 0, FILE_SIZE, 4));
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

FIXTURE(after_refusals)
{
	int device;
};

FIXTURE_SETUP(after_refusals)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(after_refusals)
{
	close(self->device);
}

TEST_F(after_refusals, the_kernel_that_was_loaded_at_last_gets_everything)
{
	int session = lu_retrieve_session(self->device, "kept");
	int first, second;

	ASSERT_GE(session, 0);
	first = lu_retrieve(session, 1);
	second = lu_retrieve(session, 2);
	ASSERT_GE(first, 0);
	ASSERT_GE(second, 0);
	EXPECT_EQ(lu_wrong(first, 0, FILE_SIZE, 1), FILE_SIZE);
	EXPECT_EQ(lu_wrong(second, 0, FILE_SIZE, 4), FILE_SIZE);
	EXPECT_EQ(lu_retrieve(session, 77), -ENOENT);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

TEST_F(after_refusals, and_nothing_that_was_closed_since)
{
	EXPECT_EQ(lu_retrieve_session(self->device, "dropped"), -ENOENT);
	EXPECT_EQ(lu_retrieve_session(self->device, "fresh"), -ENOENT);
	EXPECT_EQ(lu_retrieve_session(self->device, "somebody-else"), -ENOENT);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
