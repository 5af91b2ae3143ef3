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

/**
 * DOC: memfd Live Update ABI, by extents
 *
 * Not in mainline. It is written only where the operator says that the next
 * kernel reads it (``liveupdate_memfd=extents``).
 *
 * &struct memfd_luo_ser is the same, but for its array: it is of &struct
 * memfd_luo_extent_ser, &memfd_luo_ser.nr_folios of them, in ascending order of
 * their index and without overlap. What is not in an extent is a hole.
 *
 * The pages of an extent are preserved as naturally aligned blocks of any order,
 * none of which reaches beyond the extent. The next kernel makes whatever folios
 * it can of them, so the folios that the file had are not told.
 */

/**
 * struct memfd_luo_extent_ser - Pages that follow each other in memory and in a memfd.
 * @pfn:       The number of the first page.
 * @flags:     MEMFD_LUO_FOLIO_* flags, of all pages alike.
 * @index:     Where in the file it begins, in pages.
 * @count:     How many pages there are; not 0, and none behind the end of the file.
 */
struct memfd_luo_extent_ser {
	u64 pfn:52;
	u64 flags:12;
	u32 index;
	u32 count;
} __packed;

/* The name of its handler. The number changes with the format. */
#define MEMFD_LUO_EXTENTS_COMPATIBLE	"memfd-extents-v1"

#endif /* _LINUX_KHO_ABI_MEMFD_H */
