/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How preserved PCI devices are handed over.
 */

#ifndef _LINUX_KHO_ABI_PCI_H
#define _LINUX_KHO_ABI_PCI_H

#include <linux/compiler.h>
#include <linux/types.h>

/**
 * DOC: PCI Live Update ABI
 *
 * What the PCI core has to know of preserved devices is the FLB "pci". Its
 * &luo_flb_ser.data is the physical address of a &struct pci_ser, in preserved
 * memory. That leads to a chain of blocks (see linux/kho/abi/block.h) of
 * &struct pci_dev_ser: an entry for each preserved endpoint, and one for each
 * bridge above any of them. Entries are in no order.
 *
 * A change to anything here needs another %PCI_LUO_FLB_VERSION. The layout is
 * that of the series "PCI: liveupdate: PCI core support for Live Update".
 */

/* The name of the FLB. */
#define PCI_LUO_FLB_COMPATIBLE	"pci"

/* The version of what is behind it. */
#define PCI_LUO_FLB_VERSION	1

/**
 * struct pci_dev_ser - A preserved device.
 * @domain:   The number of its domain, or segment.
 * @bdf:      Bus in the upper 8 bits, device in the next 5, function in the
 *            last 3.
 * @refcount: How many preserved endpoints need it: itself, or those below the
 *            bridge that it is. 0 stands for no device.
 */
struct pci_dev_ser {
	u32 domain;
	u16 bdf;
	u16 refcount;
} __packed;

/**
 * struct pci_ser - All preserved devices.
 * @version:    %PCI_LUO_FLB_VERSION.
 * @nr_devices: How many entries have a @refcount above 0.
 * @devices:    The physical address of the first block. 0 if there is none.
 */
struct pci_ser {
	u32 version;
	u32 nr_devices;
	u64 devices;
} __packed;

#endif /* _LINUX_KHO_ABI_PCI_H */
