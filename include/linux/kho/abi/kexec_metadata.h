/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which kernel a handover came from.
 */

#ifndef _LINUX_KHO_ABI_KEXEC_METADATA_H
#define _LINUX_KHO_ABI_KEXEC_METADATA_H

#include <linux/types.h>
#include <linux/utsname.h>

/**
 * DOC: Kexec Metadata ABI
 *
 * Each kernel leaves its name, and how many kexecs there were since power on,
 * for the next one to print. The blob is &struct kho_kexec_metadata and its
 * node is called %KHO_METADATA_NODE_NAME.
 *
 * Nothing depends on it. It has a version in front, apart from that of KHO; a
 * kernel that does not know the version does without. Since Linux 7.1.
 */

/* The version that this file describes. */
#define KHO_KEXEC_METADATA_VERSION 1

/**
 * struct kho_kexec_metadata - Where a kernel came from.
 * @version: %KHO_KEXEC_METADATA_VERSION. It stays in front in all versions.
 * @previous_release: ``uname -r`` of the kernel that did the kexec, closed by
 *                    NUL. Its size is that of uname(2), so it is fixed.
 * @kexec_count: Kexecs with handover since power on, that one included.
 */
struct kho_kexec_metadata {
	u32 version;
	char previous_release[__NEW_UTS_LEN + 1];
	u32 kexec_count;
} __packed;

/* The name of the node. */
#define KHO_METADATA_NODE_NAME "kexec-metadata"

#endif /* _LINUX_KHO_ABI_KEXEC_METADATA_H */
