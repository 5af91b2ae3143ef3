// SPDX-License-Identifier: GPL-2.0
/*
 * An ioctl that fails because its answer cannot be written has changed
 * nothing. Run with "-s 1" before the live update and with "-s 2" after it.
 *
 * Mainline 7.3 does not keep to this: there, closing the file that nobody got
 * finishes the session, and its data is lost.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define PAGE		4096UL
#define TOKEN		0x7357ULL

static const char text[] = "written before the live update";

static int text_memfd(void)
{
	int memfd = memfd_create("faults", 0);

	if (memfd < 0 || write(memfd, text, sizeof(text)) != sizeof(text))
		return -1;
	return memfd;
}

static bool holds_text(int memfd)
{
	char found[sizeof(text)] = {};

	return lseek(memfd, 0, SEEK_SET) == 0 &&
	       read(memfd, found, sizeof(found)) == sizeof(found) &&
	       !memcmp(found, text, sizeof(text));
}

static int prepare(void)
{
	static const char *const names[] = { "session", "file", "finish" };
	int device = open(LU_DEVICE, O_RDWR);

	if (device < 0)
		return 1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int session = lu_create(device, names[i]);

		if (session < 0 || lu_preserve(session, text_memfd(), TOKEN))
			return 2;
	}
	printf("# prepared\n");
	lu_hold_sessions();
	return 3;
}

/* Calls with a copy of @args that the kernel can read and not write. */
static int read_only_ioctl(int fd, unsigned long command, const void *args,
			   size_t size)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (page == MAP_FAILED)
		return -ENOMEM;
	memcpy(page, args, size);
	if (syscall(__NR_mprotect, page, PAGE, PROT_READ))
		return -ENOMEM;
	err = lu_ioctl(fd, command, page);
	munmap(page, PAGE);
	return err;
}

FIXTURE(faults)
{
	int device;
	int next;
};

FIXTURE_SETUP(faults)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	self->next = lu_next_fd();
}

FIXTURE_TEARDOWN(faults)
{
	close(self->device);
}

TEST_F(faults, a_session_that_nobody_got_is_still_there)
{
	struct liveupdate_ioctl_retrieve_session args = {
		.size = sizeof(args),
		.name = "session",
	};
	int session;

	for (int i = 0; i < 3; i++)
		EXPECT_EQ(read_only_ioctl(self->device,
					  LIVEUPDATE_IOCTL_RETRIEVE_SESSION,
					  &args, sizeof(args)), -EFAULT);
	EXPECT_EQ(lu_next_fd(), self->next);

	session = lu_retrieve_session(self->device, "session");
	ASSERT_GE(session, 0);
	EXPECT_TRUE(holds_text(lu_retrieve(session, TOKEN)));
}

TEST_F(faults, a_file_that_nobody_got_is_still_there)
{
	int session = lu_retrieve_session(self->device, "file");
	struct liveupdate_session_retrieve_fd args = {
		.size = sizeof(args),
		.token = TOKEN,
	};

	ASSERT_GE(session, 0);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(read_only_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD,
					  &args, sizeof(args)), -EFAULT);
	EXPECT_EQ(lu_next_fd(), session + 1);
	EXPECT_TRUE(holds_text(lu_retrieve(session, TOKEN)));
}

TEST_F(faults, a_session_is_not_finished_unless_that_can_be_said)
{
	int session = lu_retrieve_session(self->device, "finish");
	struct liveupdate_session_finish args = { .size = sizeof(args) };

	ASSERT_GE(session, 0);
	EXPECT_EQ(read_only_ioctl(session, LIVEUPDATE_SESSION_FINISH, &args,
				  sizeof(args)), -EFAULT);
	EXPECT_TRUE(holds_text(lu_retrieve(session, TOKEN)));
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_EQ(lu_retrieve(session, TOKEN), -ENOENT);
}

TEST_F(faults, a_file_is_not_preserved_unless_that_can_be_said)
{
	int session = lu_create(self->device, "preserve");
	struct liveupdate_session_preserve_fd args = {
		.size = sizeof(args),
		.fd = text_memfd(),
		.token = TOKEN,
	};

	ASSERT_GE(session, 0);
	EXPECT_EQ(read_only_ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD,
				  &args, sizeof(args)), -EFAULT);
	/* Neither the token nor the file is taken, nor is the file frozen. */
	EXPECT_EQ(ftruncate(args.fd, 2 * PAGE), 0);
	EXPECT_EQ(lu_preserve(session, args.fd, TOKEN), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
