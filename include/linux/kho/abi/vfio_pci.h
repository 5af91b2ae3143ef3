/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the file of a VFIO PCI device is handed over.
 */

#ifndef _LINUX_KHO_ABI_VFIO_PCI_H
#define _LINUX_KHO_ABI_VFIO_PCI_H

#include <linux/compiler.h>
#include <linux/types.h>

/**
 * DOC: VFIO PCI Live Update ABI
 *
 * The &luo_file_ser.data of a file of vfio-pci is the physical address of a
 * &struct vfio_pci_core_device_ser, in preserved memory. The device is also in
 * the FLB "pci", see linux/kho/abi/pci.h.
 *
 * It is handed over idle: it was reset, if it can be, and neither interrupts the
 * processors nor reaches memory.
 *
 * A change to anything here needs another %VFIO_PCI_LUO_FH_COMPATIBLE. The
 * layout is that of the series "vfio/pci: Base Live Update support for VFIO".
 */

/* The compatible string of the file handler. */
#define VFIO_PCI_LUO_FH_COMPATIBLE	"vfio-pci-v1"

/**
 * struct vfio_pci_core_device_ser - The device of a file.
 * @domain: The number of its domain, or segment.
 * @bdf:    Bus in the upper 8 bits, device in the next 5, function in the last 3.
 */
struct vfio_pci_core_device_ser {
	u32 domain;
	u16 bdf;
} __packed;

#endif /* _LINUX_KHO_ABI_VFIO_PCI_H */
