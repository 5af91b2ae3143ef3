/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's test harness, with more time for each test: a kernel that looks
 * after itself, on a machine that has other things to do, needs it. Whoever runs
 * the guest ends one that hangs.
 */

#ifndef SELFTESTS_LIVEUPDATE_LU_HARNESS_H
#define SELFTESTS_LIVEUPDATE_LU_HARNESS_H

#include "kselftest_harness.h"

/* In seconds. Tests take it from where they are, not from where they are included. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

#endif /* SELFTESTS_LIVEUPDATE_LU_HARNESS_H */
