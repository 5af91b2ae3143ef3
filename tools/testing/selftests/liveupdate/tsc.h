/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Time stamps for guests that count instructions: a tick for each, and so the
 * same on every run.
 */

#ifndef SELFTESTS_LIVEUPDATE_TSC_H
#define SELFTESTS_LIVEUPDATE_TSC_H

static inline unsigned long lu_tsc(void)
{
#ifdef __x86_64__
	unsigned int low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (unsigned long)high << 32 | low;
#else
	return 0;
#endif
}

#endif /* SELFTESTS_LIVEUPDATE_TSC_H */
