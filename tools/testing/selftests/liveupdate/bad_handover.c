// SPDX-License-Identifier: GPL-2.0
/*
 * Hands over one session, and says what became of it in the next kernel. What
 * is handed over may be damaged on the way: before the live update the program
 * says where the jump is and waits for a line on the console.
 */

#include "lu_test.h"

#define SESSION	"handed-over"
#define TOKEN	1
#define SIZE	8192
#define SAY_AGAIN_MS	1000

/* A line of /proc/kallsyms: 16 digits, a letter, the name. */
static const char jump[] = " T machine_kexec\n";
#define DIGITS	16

/* Prints the address of the function that jumps. */
static bool say_where_the_jump_is(void)
{
	/* The end of one chunk stays in front of the next: it may be cut. */
	static char text[64 + 4096 + 1];
	int symbols = open("/proc/kallsyms", O_RDONLY);
	size_t kept = 0;
	ssize_t length;

	if (symbols < 0)
		return false;
	while ((length = read(symbols, text + kept, sizeof(text) - 1 - kept)) > 0) {
		char *found;

		kept += length;
		text[kept] = '\0';
		found = strstr(text, jump);
		if (found && found - text >= DIGITS) {
			printf("# jump at %.16s\n", found - DIGITS);
			close(symbols);
			return true;
		}
		if (kept > 64) {
			memmove(text, text + kept - 64, 64);
			kept = 64;
		}
	}
	close(symbols);
	return false;
}

static int hand_over(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, SESSION);
	int memfd = memfd_create("bad-handover", 0);
	struct pollfd input = { .fd = 0, .events = POLLIN };
	static char data[SIZE];
	pid_t holder;

	memset(data, 'd', sizeof(data));
	if (write(memfd, data, SIZE) != SIZE || lu_preserve(session, memfd, TOKEN)) {
		printf("# cannot preserve: errno %d\n", errno);
		return 1;
	}
	holder = fork();
	if (holder < 0)
		return 2;
	if (!holder) {
		close(0);
		close(1);
		close(2);
		for (;;)
			sleep(60);
	}
	/*
	 * A byte comes when the breakpoint is set. Once in a while a console
	 * keeps the last line to itself for as long as the machine is idle, so
	 * it is said again until somebody has heard it.
	 */
	do {
		if (!say_where_the_jump_is()) {
			printf("# where is machine_kexec in /proc/kallsyms?\n");
			return 3;
		}
	} while (!poll(&input, 1, SAY_AGAIN_MS));
	return read(0, data, 1) == 1 ? 0 : 4;
}

/* Whether the session is there, complete and intact. */
static int look_for_data(int device)
{
	int session = lu_retrieve_session(device, SESSION);
	static char data[SIZE];
	int memfd;

	if (session < 0) {
		printf("# no session: %d\n", session);
		return 0;
	}
	memfd = lu_retrieve(session, TOKEN);
	if (memfd < 0) {
		printf("# a session, but no data: %d\n", memfd);
		return 0;
	}
	if (lseek(memfd, 0, SEEK_SET) || read(memfd, data, SIZE) != SIZE) {
		printf("# the data cannot be read: errno %d\n", errno);
		return 1;
	}
	for (int i = 0; i < SIZE; i++) {
		if (data[i] != 'd') {
			printf("# foreign data at byte %d\n", i);
			return 1;
		}
	}
	printf("# the data is intact\n");
	return 0;
}

static int look_around(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session, memfd, err;

	if (device < 0) {
		printf("# no device: errno %d\n", errno);
		return 0;
	}
	err = look_for_data(device);
	session = lu_create(device, "a-new-one");
	memfd = memfd_create("new", 0);
	if (session < 0 || ftruncate(memfd, SIZE) || lu_preserve(session, memfd, 1))
		printf("# nothing new can be preserved\n");
	else
		printf("# a new session works\n");
	return err;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return hand_over();
	return look_around();
}
