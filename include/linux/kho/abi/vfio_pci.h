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

/**
 * DOC: Running VFIO PCI devices
 *
 * With %VFIO_PCI_LUO_RUNNING_COMPATIBLE the data is the physical address of a
 * &struct vfio_pci_running_ser. The device is handed over as it runs: it was not
 * reset, and its registers are what they were. It does not reach memory (Bus
 * Master Enable is off); MSI-X vectors are masked all together, or INTx is
 * disabled. Its new owner finds both off, and switches them on.
 *
 * This is of this implementation alone. First in 7.3.
 */

/* The compatible string of the file handler. */
#define VFIO_PCI_LUO_RUNNING_COMPATIBLE	"vfio-pci-running-v1"

/* Most vectors that MSI-X knows. */
#define VFIO_PCI_LUO_MAX_VECTORS	2048

/* The device can be reset on its own. */
#define VFIO_PCI_LUO_RESET_WORKS	(1 << 0)

/**
 * struct vfio_pci_running_ser - The running device of a file.
 * @domain:     The number of its domain, or segment.
 * @bdf:        Bus in the upper 8 bits, device in the next 5, function in the last 3.
 * @flags:      VFIO_PCI_LUO_RESET_WORKS, or 0.
 * @nr_vectors: How many bits of @pending may be set.
 * @reserved:   0.
 * @pending:    A bit for each MSI-X vector, the first in the lowest of the first
 *              word: it interrupted, and its user has not been told or has not
 *              looked.
 */
struct vfio_pci_running_ser {
	u32 domain;
	u16 bdf;
	u16 flags;
	u32 nr_vectors;
	u32 reserved;
	u64 pending[VFIO_PCI_LUO_MAX_VECTORS / 64];
};

#endif /* _LINUX_KHO_ABI_VFIO_PCI_H */
