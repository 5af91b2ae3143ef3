// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to make a session, and to put a file into one, when there are
 * none yet and when there are many. Prints the cost of the first and of the last
 * few of them.
 */

#include "lu_test.h"
#include "tsc.h"

#define SESSIONS	2000
#define FILES		8000
/* So many are measured at either end. */
#define SAMPLE		100

static unsigned long cost_of_sessions(int device, int from, int count)
{
	unsigned long start = lu_tsc();
	char name[32];

	for (int i = from; i < from + count; i++) {
		snprintf(name, sizeof(name), "session-%d", i);
		NEED(lu_create(device, name) >= 0);
	}
	return lu_tsc() - start;
}

static unsigned long cost_of_files(int session, const int *files, int from, int count)
{
	unsigned long start = lu_tsc();

	for (int i = from; i < from + count; i++)
		NEED(lu_preserve(session, files[i], i) == 0);
	return lu_tsc() - start;
}

int main(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	static int files[FILES];
	unsigned long first;
	int session;

	NEED(device >= 0);
	NEED(lu_allow_fds(SESSIONS + FILES) == 0);
	session = lu_create(device, "files");
	NEED(session >= 0);
	for (int i = 0; i < FILES; i++) {
		files[i] = memfd_create("file", 0);
		NEED(files[i] >= 0);
	}

	first = cost_of_sessions(device, 0, SAMPLE);
	cost_of_sessions(device, SAMPLE, SESSIONS - 2 * SAMPLE);
	printf("# cost of sessions: %lu %lu\n", first,
	       cost_of_sessions(device, SESSIONS - SAMPLE, SAMPLE));

	first = cost_of_files(session, files, 0, SAMPLE);
	cost_of_files(session, files, SAMPLE, FILES - 2 * SAMPLE);
	printf("# cost of files: %lu %lu\n", first,
	       cost_of_files(session, files, FILES - SAMPLE, SAMPLE));
	return 0;
}
