/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the handler of vfio-pci in Rust needs and only C can say: private
 * structures and locks of VFIO.
 */
#ifndef _LIVEUPDATE_FFI_VFIO_H
#define _LIVEUPDATE_FFI_VFIO_H

#include <linux/types.h>

struct file;
struct folio;
struct pci_dev;
struct vfio_device;

/* Which device a file is of, and what may be done with it. */
struct vfio_device *lu_vfio_pci_from_file(struct file *file);
bool lu_vfio_is_cdev_bound(struct file *file);
bool lu_vfio_is_intel_display(struct vfio_device *device);
struct pci_dev *lu_vfio_pci_dev(struct vfio_device *device);
struct vfio_device *lu_vfio_pci_find(u32 domain, u16 bdf);

/* The locks that keep everyone from the device. */
void lu_vfio_pci_lock(struct vfio_device *device);
void lu_vfio_pci_unlock(struct vfio_device *device);

/* Which interrupts are configured. */
enum lu_vfio_irqs {
	LU_VFIO_IRQS_NONE,
	/* A line that the device can be kept from asserting, or not. */
	LU_VFIO_IRQS_INTX,
	LU_VFIO_IRQS_INTX_ALWAYS,
	/* Messages that can be masked and are remembered by the device, or others. */
	LU_VFIO_IRQS_MSIX,
	LU_VFIO_IRQS_MSI,
};

/* What of it cannot be given back when it is thawed. */
enum lu_vfio_lost {
	LU_VFIO_LOST_DMABUFS = 1 << 0,
	LU_VFIO_LOST_IOEVENTFDS = 1 << 1,
};

/* With these locks held. */
bool lu_vfio_pci_is_leaving(struct vfio_device *device);
bool lu_vfio_pci_is_in_d0(struct vfio_device *device);
enum lu_vfio_irqs lu_vfio_pci_interrupts(struct vfio_device *device);
bool lu_vfio_pci_reset_works(struct vfio_device *device);
u32 lu_vfio_pci_mask(struct vfio_device *device, unsigned long *pending);
void lu_vfio_pci_unmask(struct vfio_device *device);
void lu_vfio_pci_freeze(struct vfio_device *device);
u32 lu_vfio_pci_thaw(struct vfio_device *device);
int lu_vfio_pci_take_over(struct vfio_device *device, bool reset_works,
			  const unsigned long *pending, u32 nr_vectors);

/* What has become of a device that the previous kernel preserved. */
enum lu_vfio_presence {
	/* It is there, and nobody has finished it. */
	LU_VFIO_INCOMING,
	/* It may still be found. */
	LU_VFIO_AWAITED,
	LU_VFIO_GONE,
};

enum lu_vfio_presence lu_vfio_presence_at(u32 domain, u16 bdf);

/* An inline function. */
size_t lu_vfio_folio_size(struct folio *folio);

#endif /* _LIVEUPDATE_FFI_VFIO_H */
