/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail, for kernels with CONFIG_FAULT_INJECTION.
 */

#ifndef SELFTESTS_LIVEUPDATE_FAULTS_H
#define SELFTESTS_LIVEUPDATE_FAULTS_H

#include "lu_test.h"

/* More allocations than any of the operations has. */
#define MOST		1000

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define FAULTS		"/sys/kernel/debug/"

/* Makes allocations that may sleep fail too, and without a word in the log. */
static inline bool fault_set_up(void)
{
	return lu_write_text(FAULTS "failslab/ignore-gfp-wait", "N") &&
	       lu_write_text(FAULTS "failslab/verbose", "0") &&
	       lu_write_text(FAULTS "fail_page_alloc/ignore-gfp-wait", "N") &&
	       lu_write_text(FAULTS "fail_page_alloc/ignore-gfp-highmem", "N") &&
	       lu_write_text(FAULTS "fail_page_alloc/min-order", "0") &&
	       lu_write_text(FAULTS "fail_page_alloc/verbose", "0");
}

/* The allocation number @nth of this thread from now on fails. */
static inline bool fault_at(int control, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	return write(control, text, length) == length;
}

/* Whether one has failed since then; none will any more. */
static inline bool fault_came(int control)
{
	char text[16] = {};
	ssize_t length;

	length = syscall(__NR_pread64, control, text, sizeof(text) - 1, 0L);
	fault_at(control, 0);
	return length > 0 && strtol(text, NULL, 10) == 0;
}

/* To be called by the test itself: the harness sets up fixtures in another thread. */
static inline int fault_open(void)
{
	return open(FAIL_NTH, O_RDWR);
}

#endif /* SELFTESTS_LIVEUPDATE_FAULTS_H */
