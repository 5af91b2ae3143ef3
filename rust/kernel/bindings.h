/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads: declarations that the kernel crate's bindings lack.
 * bindgen_parameters, beside this file, says which of them become Rust.
 */
#include <linux/cma.h>
#include <linux/crash_dump.h>
#include <linux/debugfs.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kho_block.h>
#include <linux/kho_radix_tree.h>
#include <linux/kho/abi/block.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/kho/abi/kexec_metadata.h>
#include <linux/kho/abi/luo.h>
#include <linux/kho/abi/memfd.h>
#include <linux/libfdt.h>
#include <linux/liveupdate.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>

#include <asm/early_ioremap.h>

#include "mm/mm_init.h"
#include "mm/vmalloc.h"
#include "kernel/kexec_internal.h"

#include "../ffi/kho.h"
#ifdef CONFIG_LIVEUPDATE
#include <linux/anon_inodes.h>
#include <linux/memfd.h>
#include "../ffi/luo.h"
#endif
#ifdef CONFIG_PCI_LIVEUPDATE
#include <linux/kho/abi/pci.h>
#include <linux/pci.h>
#include "../ffi/pci.h"
#endif
#if IS_ENABLED(CONFIG_VFIO_PCI_LIVEUPDATE)
#include <linux/vfio.h>
#include "../ffi/vfio.h"
#endif
#ifdef CONFIG_LIVEUPDATE_MEMFD_RUST
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <uapi/linux/memfd.h>
#include "mm/internal.h"
#include "../ffi/memfd.h"
#endif

/* Constants that are macros with casts, which bindgen does not read. */
static const unsigned long LU_VM_ALLOC = VM_ALLOC;
static const unsigned long LU_VM_ALLOW_HUGE_VMAP = VM_ALLOW_HUGE_VMAP;
static const unsigned long LU_GUP_PIN_COUNTING_BIAS = GUP_PIN_COUNTING_BIAS;
static const unsigned long LU_NODES_PGSHIFT = NODES_PGSHIFT;
static const unsigned long LU_NODES_MASK = NODES_MASK;
static const unsigned long LU_ZONEID_PGSHIFT = ZONEID_PGSHIFT;
static const unsigned long LU_ZONEID_MASK = ZONEID_MASK;
static const unsigned int LU_MAX_PAGE_ORDER = MAX_PAGE_ORDER;
static const unsigned int LU_MAX_FOLIO_ORDER = MAX_FOLIO_ORDER;
#ifdef CONFIG_ARM64
static const unsigned long LU_PAGE_OFFSET = PAGE_OFFSET;
static const unsigned long LU_VMEMMAP_START = VMEMMAP_START;
#endif
