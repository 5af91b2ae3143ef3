/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the live update orchestrator leaves for the next kernel.
 */

#ifndef _LINUX_KHO_ABI_LUO_H
#define _LINUX_KHO_ABI_LUO_H

#include <linux/align.h>
#include <linux/kho/abi/block.h>
#include <uapi/linux/liveupdate.h>

/**
 * DOC: Live Update Orchestrator ABI
 *
 * The orchestrator has one blob, in a node called %LUO_KHO_ENTRY_NAME. From
 * there on everything is found by physical address::
 *
 *     struct luo_ser
 *       sessions_pa ---> chain of blocks of struct luo_session_ser
 *                          file_set_ser.files ---> chain of blocks of
 *                                                  struct luo_file_ser
 *       flbs_pa -------> struct luo_flb_header_ser, and behind it
 *                        an array of struct luo_flb_ser
 *
 * Chains are those of block.h, and all of it is in preserved memory. A file's
 * own state is wherever its handler has put it: @data is between the handler
 * before and the handler after, which find each other by @compatible.
 *
 * An *FLB*, file-lifecycle-bound object, is state that several files share. It
 * goes along as long as one of them does.
 *
 * A change to anything here needs another %LUO_ABI_COMPATIBLE. In this form
 * since Linux 7.2 (``luo-v5``).
 */

/* The name of the node. */
#define LUO_KHO_ENTRY_NAME	"LUO"
/* What the blob begins with. */
#define LUO_ABI_COMPATIBLE	"luo-v5"
/* Bytes that are kept for it: closed by NUL, and filled up to whole words. */
#define LUO_ABI_COMPAT_LEN	ALIGN(sizeof(LUO_ABI_COMPATIBLE), 8)

/**
 * struct luo_ser - The root of what is handed over.
 * @compatible:     %LUO_ABI_COMPATIBLE, closed by NUL.
 * @liveupdate_num: How many live updates there were since power on, the one
 *                  that it is written for included.
 * @sessions_pa:    First block of the sessions, 0 if there are none.
 * @flbs_pa:        The FLBs.
 */
struct luo_ser {
	char compatible[LUO_ABI_COMPAT_LEN];
	u64 liveupdate_num;
	u64 sessions_pa;
	u64 flbs_pa;
} __packed;

/* Bytes in the name of a file handler, the closing NUL being one of them. */
#define LIVEUPDATE_HNDL_COMPAT_LENGTH	48

/**
 * struct luo_file_ser - A file in a session.
 * @compatible:  Which handler it belongs to, closed by NUL.
 * @data:        What the handler needs to find its state.
 * @token:       What userspace asks for it by; unique in the session.
 */
struct luo_file_ser {
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	u64 data;
	u64 token;
} __packed;

/**
 * struct luo_file_set_ser - The files of a session.
 * @files:   First block of the files, 0 if there are none.
 * @count:   How many files there are in all blocks together.
 */
struct luo_file_set_ser {
	u64 files;
	u64 count;
} __packed;

/**
 * struct luo_session_ser - A session.
 * @name:         Its name, closed by NUL; unique among the sessions.
 * @file_set_ser: Its files.
 */
struct luo_session_ser {
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct luo_file_set_ser file_set_ser;
} __packed;

/* Bytes in the name of an FLB, the closing NUL being one of them. */
#define LIVEUPDATE_FLB_COMPAT_LENGTH	48

/**
 * struct luo_flb_header_ser - What is in front of the FLBs.
 * @pgcnt: Pages of the area, header included. They are contiguous.
 * @count: How many &struct luo_flb_ser follow.
 */
struct luo_flb_header_ser {
	u64 pgcnt;
	u64 count;
} __packed;

/**
 * struct luo_flb_ser - An FLB.
 * @name:    Which object it is, closed by NUL.
 * @data:    What its owner needs to find its state.
 * @count:   How many preserved files depend on it.
 */
struct luo_flb_ser {
	char name[LIVEUPDATE_FLB_COMPAT_LENGTH];
	u64 data;
	u64 count;
} __packed;

/* The FLBs of lib/tests/liveupdate.c. */
#ifdef CONFIG_LIVEUPDATE_TEST
#define LIVEUPDATE_TEST_FLB_COMPATIBLE(i)	"liveupdate-test-flb-v" #i
#endif

#endif /* _LINUX_KHO_ABI_LUO_H */
