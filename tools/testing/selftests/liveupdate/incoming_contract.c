// SPDX-License-Identifier: GPL-2.0
/*
 * The contract of /dev/liveupdate for sessions that came from the previous
 * kernel. Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "lu_test.h"
#include "lu_harness.h"

#define TOKEN		0x7357ULL

/* Each test has a session of its own, since it is gone when the test exits. */
static const char *const sessions[] = {
	"refuses-preserve",
	"finish-reserved",
	"finish-size",
	"retrieve-size",
	"retrieve-unknown",
	"retrieve-twice",
	"session-twice",
	"get-name",
	"no-finish",
	"preserve-again",
	"name-again",
	"holder-killed",
	"outgoing-live",
};

/* What every session's memfd holds. */
static const char text[] = "written before the live update";

static int text_memfd(void)
{
	int memfd = memfd_create("incoming", 0);

	if (memfd < 0 || write(memfd, text, sizeof(text)) != sizeof(text))
		return -1;
	return memfd;
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int closed;

	if (device < 0)
		return 1;
	for (size_t i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
		int session = lu_create(device, sessions[i]);

		if (session < 0 || lu_preserve(session, text_memfd(), TOKEN))
			return 2;
	}
	if (lu_create(device, "empty") < 0)
		return 3;

	/* This one must not arrive. */
	closed = lu_create(device, "closed-before");
	if (closed < 0 || lu_preserve(closed, text_memfd(), TOKEN))
		return 4;
	close(closed);
	printf("# prepared\n");
	lu_hold_sessions();
	return 5;
}

static bool holds_text(int memfd)
{
	char found[sizeof(text)] = {};

	return lseek(memfd, 0, SEEK_SET) == 0 &&
	       read(memfd, found, sizeof(found)) == sizeof(found) &&
	       !memcmp(found, text, sizeof(text));
}

FIXTURE(incoming)
{
	int device;
};

FIXTURE_SETUP(incoming)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(incoming)
{
	close(self->device);
}

TEST_F(incoming, nothing_can_be_preserved_into_it)
{
	int session = lu_retrieve_session(self->device, "refuses-preserve");
	int memfd = text_memfd();

	ASSERT_GE(session, 0);
	EXPECT_EQ(lu_preserve(session, memfd, 1), -EINVAL);
	EXPECT_EQ(ftruncate(memfd, 2 * PAGE), 0);
	EXPECT_TRUE(holds_text(lu_retrieve(session, TOKEN)));
}

TEST_F(incoming, finish_refuses_reserved_bits_and_changes_nothing)
{
	int session = lu_retrieve_session(self->device, "finish-reserved");

	ASSERT_GE(session, 0);
	EXPECT_EQ(lu_finish(session, 1), -EINVAL);
	EXPECT_EQ(lu_finish(session, 1U << 31), -EINVAL);
	EXPECT_TRUE(holds_text(lu_retrieve(session, TOKEN)));
	EXPECT_EQ(lu_finish(session, 0), 0);
}

TEST_F(incoming, finish_checks_the_size_of_its_structure)
{
	int session = lu_retrieve_session(self->device, "finish-size");
	struct {
		struct liveupdate_session_finish known;
		unsigned char tail[8];
	} args = {};

	ASSERT_GE(session, 0);
	for (unsigned int size = 0; size < sizeof(args.known); size++) {
		args.known.size = size;
		EXPECT_EQ(lu_ioctl(session, LIVEUPDATE_SESSION_FINISH, &args),
			  -EINVAL);
	}
	args.known.size = sizeof(args);
	args.tail[7] = 1;
	EXPECT_EQ(lu_ioctl(session, LIVEUPDATE_SESSION_FINISH, &args), -E2BIG);
	EXPECT_TRUE(holds_text(lu_retrieve(session, TOKEN)));
	args.tail[7] = 0;
	EXPECT_EQ(lu_ioctl(session, LIVEUPDATE_SESSION_FINISH, &args), 0);
}

TEST_F(incoming, retrieve_checks_the_size_of_its_structure)
{
	int session = lu_retrieve_session(self->device, "retrieve-size");
	int next = lu_next_fd();
	struct {
		struct liveupdate_session_retrieve_fd known;
		unsigned char tail[8];
	} args = { .known = { .token = TOKEN } };

	ASSERT_GE(session, 0);
	for (unsigned int size = 0; size < sizeof(args.known); size++) {
		args.known.size = size;
		EXPECT_EQ(lu_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD,
				   &args), -EINVAL);
	}
	args.known.size = sizeof(args);
	args.tail[0] = 1;
	EXPECT_EQ(lu_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &args),
		  -E2BIG);
	EXPECT_EQ(lu_next_fd(), next);
	args.tail[0] = 0;
	EXPECT_EQ(lu_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &args), 0);
	EXPECT_TRUE(holds_text(args.known.fd));
}

TEST_F(incoming, a_token_that_never_was_is_not_found)
{
	int session = lu_retrieve_session(self->device, "retrieve-unknown");
	int empty = lu_retrieve_session(self->device, "empty");
	int next = lu_next_fd();

	ASSERT_GE(session, 0);
	ASSERT_GE(empty, 0);
	EXPECT_EQ(lu_retrieve(session, TOKEN + 1), -ENOENT);
	EXPECT_EQ(lu_retrieve(empty, TOKEN), -ENOENT);
	EXPECT_EQ(lu_next_fd(), next);
	EXPECT_TRUE(holds_text(lu_retrieve(session, TOKEN)));
	EXPECT_EQ(lu_finish(empty, 0), 0);
}

TEST_F(incoming, retrieving_twice_gives_the_same_open_file)
{
	int session = lu_retrieve_session(self->device, "retrieve-twice");
	int one, two;

	ASSERT_GE(session, 0);
	one = lu_retrieve(session, TOKEN);
	two = lu_retrieve(session, TOKEN);
	ASSERT_GE(one, 0);
	ASSERT_GE(two, 0);
	EXPECT_NE(one, two);
	/* One open file has one position. */
	ASSERT_EQ(lseek(one, 7, SEEK_SET), 7);
	EXPECT_EQ(lseek(two, 0, SEEK_CUR), 7);
	close(one);
	EXPECT_TRUE(holds_text(two));
	EXPECT_TRUE(holds_text(lu_retrieve(session, TOKEN)));
}

TEST_F(incoming, a_session_is_retrieved_once)
{
	int session = lu_retrieve_session(self->device, "session-twice");
	int next = lu_next_fd();

	ASSERT_GE(session, 0);
	EXPECT_EQ(lu_retrieve_session(self->device, "session-twice"), -EINVAL);
	EXPECT_EQ(lu_next_fd(), next);
	close(session);
	EXPECT_EQ(lu_retrieve_session(self->device, "session-twice"), -ENOENT);
}

TEST_F(incoming, get_name_works_here_too)
{
	struct liveupdate_session_get_name args = { .size = sizeof(args) };
	int session = lu_retrieve_session(self->device, "get-name");

	ASSERT_GE(session, 0);
	ASSERT_EQ(lu_ioctl(session, LIVEUPDATE_SESSION_GET_NAME, &args), 0);
	EXPECT_STREQ((char *)args.name, "get-name");
	args.reserved = 1;
	EXPECT_EQ(lu_ioctl(session, LIVEUPDATE_SESSION_GET_NAME, &args),
		  -EINVAL);
}

TEST_F(incoming, closing_without_finish_keeps_what_was_retrieved)
{
	int session = lu_retrieve_session(self->device, "no-finish");
	int memfd;

	ASSERT_GE(session, 0);
	memfd = lu_retrieve(session, TOKEN);
	ASSERT_GE(memfd, 0);
	close(session);
	EXPECT_TRUE(holds_text(memfd));
	EXPECT_EQ(lu_retrieve_session(self->device, "no-finish"), -ENOENT);
}

TEST_F(incoming, a_retrieved_file_is_preserved_again_after_finish_only)
{
	int session = lu_retrieve_session(self->device, "preserve-again");
	int next = lu_create(self->device, "next-update");
	int memfd;

	ASSERT_GE(session, 0);
	ASSERT_GE(next, 0);
	memfd = lu_retrieve(session, TOKEN);
	ASSERT_GE(memfd, 0);
	EXPECT_EQ(lu_preserve(next, memfd, 1), -EBUSY);
	ASSERT_EQ(lu_finish(session, 0), 0);
	EXPECT_EQ(lu_retrieve(session, TOKEN), -ENOENT);
	EXPECT_EQ(lu_preserve(next, memfd, 1), 0);
	EXPECT_TRUE(holds_text(memfd));
}

TEST_F(incoming, a_new_session_may_have_the_name_of_an_old_one)
{
	int new = lu_create(self->device, "name-again");
	int old = lu_retrieve_session(self->device, "name-again");

	ASSERT_GE(new, 0);
	ASSERT_GE(old, 0);
	EXPECT_EQ(lu_retrieve(new, TOKEN), -EINVAL);
	EXPECT_TRUE(holds_text(lu_retrieve(old, TOKEN)));
	EXPECT_EQ(lu_finish(old, 0), 0);
}

TEST_F(incoming, a_killed_holder_finishes_it)
{
	int status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		int session = lu_retrieve_session(self->device, "holder-killed");

		if (session < 0 || !holds_text(lu_retrieve(session, TOKEN)))
			_exit(1);
		kill(getpid(), SIGKILL);
		_exit(2);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(lu_retrieve_session(self->device, "holder-killed"), -ENOENT);
}

TEST_F(incoming, a_session_closed_before_the_update_did_not_come)
{
	EXPECT_EQ(lu_retrieve_session(self->device, "closed-before"), -ENOENT);
}

TEST_F(incoming, the_outgoing_side_works_meanwhile)
{
	int old = lu_retrieve_session(self->device, "outgoing-live");
	int new = lu_create(self->device, "for-the-next");
	int memfd = text_memfd();

	ASSERT_GE(old, 0);
	ASSERT_GE(new, 0);
	EXPECT_EQ(lu_preserve(new, memfd, TOKEN), 0);
	EXPECT_TRUE(holds_text(lu_retrieve(old, TOKEN)));
	close(new);
	EXPECT_EQ(lu_finish(old, 0), 0);
	EXPECT_EQ(ftruncate(memfd, 2 * PAGE), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
