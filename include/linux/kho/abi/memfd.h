/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a memfd is handed over.
 */

#ifndef _LINUX_KHO_ABI_MEMFD_H
#define _LINUX_KHO_ABI_MEMFD_H

#include <linux/types.h>
#include <linux/kho/abi/kexec_handover.h>

/**
 * DOC: memfd Live Update ABI
 *
 * The &luo_file_ser.data of a memfd is the physical address of a &struct
 * memfd_luo_ser, in preserved memory. It leads to a preserved vmalloc area: an
 * array of &struct memfd_luo_folio_ser, one for each folio of the file. The
 * folios themselves are preserved where they are, so no content is copied.
 *
 * Holes are filled with zeroes before, so folios and size agree. A file of size
 * 0 has no array.
 *
 * A change to anything here, a further seal included, needs another
 * %MEMFD_LUO_FH_COMPATIBLE. The first version is of Linux 6.19; this is the
 * second, as in Linux 7.3.
 */

/**
 * MEMFD_LUO_FOLIO_DIRTY - The folio has data that is nowhere else.
 *
 * Without it the next kernel may drop the folio when memory is short. So it is
 * to be set on every folio that may have been written to up to the kexec.
 */
#define MEMFD_LUO_FOLIO_DIRTY		BIT(0)

/**
 * MEMFD_LUO_FOLIO_UPTODATE - The folio's content is the file's.
 *
 * A folio that was allocated but never used does not have it: what is in its
 * memory is not to be shown to anyone.
 */
#define MEMFD_LUO_FOLIO_UPTODATE	BIT(1)

/**
 * struct memfd_luo_folio_ser - A folio of a memfd.
 * @pfn:       The number of its first page. 0 stands for no folio.
 * @flags:     MEMFD_LUO_FOLIO_* flags.
 * @index:     Where in the file it begins, in pages.
 */
struct memfd_luo_folio_ser {
	u64 pfn:52;
	u64 flags:12;
	u64 index;
} __packed;

/* The seals that this version can hand over. */
#define MEMFD_LUO_ALL_SEALS (F_SEAL_SEAL | \
			     F_SEAL_SHRINK | \
			     F_SEAL_GROW | \
			     F_SEAL_WRITE | \
			     F_SEAL_FUTURE_WRITE | \
			     F_SEAL_EXEC)

/**
 * struct memfd_luo_ser - A memfd.
 * @pos:       The position of the open file, in bytes, at the kexec.
 * @size:      The size of the file, in bytes.
 * @seals:     F_SEAL_* as fcntl(2) has them, none but %MEMFD_LUO_ALL_SEALS.
 * @flags:     0.
 * @nr_folios: How many folios there are.
 * @folios:    The array of them.
 */
struct memfd_luo_ser {
	u64 pos;
	u64 size;
	u32 seals;
	u32 flags;
	u64 nr_folios;
	struct kho_vmalloc folios;
} __packed;

/* The name of the handler. */
#define MEMFD_LUO_FH_COMPATIBLE	"memfd-v2"

#endif /* _LINUX_KHO_ABI_MEMFD_H */
