/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Meeting point of the orchestrator and its in-kernel test: lib/tests/liveupdate.c
 * includes this file by path, and is called for every handler that registers.
 */
#ifndef _LUO_INTERNAL_H
#define _LUO_INTERNAL_H

#include <linux/kho/abi/luo.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>

#ifdef CONFIG_LIVEUPDATE_TEST
void liveupdate_test_register(struct liveupdate_file_handler *fh);
#else
static inline void liveupdate_test_register(struct liveupdate_file_handler *fh)
{
}
#endif

#endif /* _LUO_INTERNAL_H */
