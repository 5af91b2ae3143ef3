/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests in which somebody with a debugger looks at what is handed over, or
 * damages it: where the jump is.
 */

#ifndef SELFTESTS_LIVEUPDATE_JUMP_H
#define SELFTESTS_LIVEUPDATE_JUMP_H

#include "lu_test.h"

#define SAY_AGAIN_MS	1000

/* Prints the address of the function that jumps. */
static inline bool lu_say_where_the_jump_is(void)
{
	/* A line of /proc/kallsyms: 16 digits, a letter, the name. */
	static const char jump[] = " T machine_kexec\n";
	enum { DIGITS = 16, KEPT = 64 };
	/* The end of one chunk stays in front of the next: it may be cut. */
	static char text[KEPT + 4096 + 1];
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
		if (kept > KEPT) {
			memmove(text, text + kept - KEPT, KEPT);
			kept = KEPT;
		}
	}
	close(symbols);
	return false;
}

/*
 * Waits for a line on the console, which comes when the breakpoint is set. Once in
 * a while a console keeps the last line to itself for as long as the machine is
 * idle, so it is said again until somebody has heard it. Gives what to exit with.
 */
static inline int lu_wait_before_jump(void)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	char byte;

	do {
		if (!lu_say_where_the_jump_is()) {
			printf("# where is machine_kexec in /proc/kallsyms?\n");
			return 3;
		}
	} while (!poll(&input, 1, SAY_AGAIN_MS));
	return read(0, &byte, 1) == 1 ? 0 : 4;
}

#endif /* SELFTESTS_LIVEUPDATE_JUMP_H */
