// SPDX-License-Identifier: GPL-2.0
/*
 * C that the handler of vfio-pci in Rust cannot do without: private structures,
 * locks and inline functions of VFIO. Part of the module vfio_pci_liveupdate.
 */

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "drivers/vfio/vfio.h"
#include "drivers/vfio/pci/vfio_pci_priv.h"
#include "pci.h"
#include "vfio.h"

/* What abi/vfio_pci.rs asserts of DeviceSer. */
static_assert(sizeof(struct vfio_pci_core_device_ser) == 6);
static_assert(offsetof(struct vfio_pci_core_device_ser, domain) == 0);
static_assert(offsetof(struct vfio_pci_core_device_ser, bdf) == 4);

/* And of RunningSer, whose words of 64 bits are a bitmap here. */
static_assert(sizeof(struct vfio_pci_running_ser) == 272);
static_assert(offsetof(struct vfio_pci_running_ser, flags) == 6);
static_assert(offsetof(struct vfio_pci_running_ser, nr_vectors) == 8);
static_assert(offsetof(struct vfio_pci_running_ser, pending) == 16);
static_assert(BITS_PER_LONG == 64);

static struct vfio_pci_core_device *core_of(struct vfio_device *device)
{
	return container_of(device, struct vfio_pci_core_device, vdev);
}

/*
 * Whether it is of vfio-pci itself. The drivers of single kinds of devices build
 * on vfio-pci-core, too, and have state that nobody preserves.
 */
static bool is_vfio_pci(struct vfio_device *device)
{
	return dev_is_pci(device->dev) && !strcmp(device->ops->name, "vfio-pci");
}

struct vfio_device *lu_vfio_pci_from_file(struct file *file)
{
	struct vfio_device *device = vfio_device_from_file(file);

	return device && is_vfio_pci(device) ? device : NULL;
}

/* Whether @file is what drives its device: others may be open, but not bound. */
bool lu_vfio_is_cdev_bound(struct file *file)
{
	struct vfio_device_file *df = file->private_data;

	return !df->group && smp_load_acquire(&df->access_granted);
}

bool lu_vfio_is_intel_display(struct vfio_device *device)
{
	struct pci_dev *dev = to_pci_dev(device->dev);

	return dev->vendor == PCI_VENDOR_ID_INTEL &&
	       dev->class >> 16 == PCI_BASE_CLASS_DISPLAY;
}

struct pci_dev *lu_vfio_pci_dev(struct vfio_device *device)
{
	return to_pci_dev(device->dev);
}

struct place {
	u32 domain;
	u16 bdf;
};

static bool is_at(struct vfio_device *device, const void *data)
{
	const struct place *place = data;

	return is_vfio_pci(device) &&
	       lu_pci_domain(to_pci_dev(device->dev)) == place->domain &&
	       lu_pci_bdf(to_pci_dev(device->dev)) == place->bdf;
}

struct vfio_device *lu_vfio_pci_find(u32 domain, u16 bdf)
{
	struct place place = { .domain = domain, .bdf = bdf };

	return vfio_find_device(&place, is_at);
}

/* In the order of vfio-pci-core. */
void lu_vfio_pci_lock(struct vfio_device *device)
{
	mutex_lock(&device->dev_set->lock);
	mutex_lock(&core_of(device)->igate);
	down_write(&core_of(device)->memory_lock);
}

void lu_vfio_pci_unlock(struct vfio_device *device)
{
	up_write(&core_of(device)->memory_lock);
	mutex_unlock(&core_of(device)->igate);
	mutex_unlock(&device->dev_set->lock);
}

/*
 * Whether someone waits for the device to be given up: whoever removes it, or
 * takes the driver away, holds its lock until then, and the shutdown of all
 * devices would wait for that lock for ever.
 */
bool lu_vfio_pci_is_leaving(struct vfio_device *device)
{
	if (!device_is_registered(&device->device))
		return true;
	if (!device_trylock(device->dev))
		return true;
	device_unlock(device->dev);
	return false;
}

/* And stays there: a user that lets it sleep may do so without another call. */
bool lu_vfio_pci_is_in_d0(struct vfio_device *device)
{
	return core_of(device)->pdev->current_state == PCI_D0 &&
	       !core_of(device)->pm_runtime_engaged;
}

enum lu_vfio_irqs lu_vfio_pci_interrupts(struct vfio_device *device)
{
	switch (core_of(device)->irq_type) {
	case VFIO_PCI_NUM_IRQS:
		return LU_VFIO_IRQS_NONE;
	case VFIO_PCI_INTX_IRQ_INDEX:
		return core_of(device)->pci_2_3 ? LU_VFIO_IRQS_INTX :
						  LU_VFIO_IRQS_INTX_ALWAYS;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return LU_VFIO_IRQS_MSIX;
	default:
		return LU_VFIO_IRQS_MSI;
	}
}

bool lu_vfio_pci_reset_works(struct vfio_device *device)
{
	return core_of(device)->reset_works;
}

/* Whether anything has not been read from @ctx. It stays there. */
static bool is_unread(struct eventfd_ctx *ctx)
{
	wait_queue_entry_t nobody;
	u64 count;

	init_wait_entry(&nobody, 0);
	if (eventfd_ctx_remove_wait_queue(ctx, &nobody, &count))
		return false;
	eventfd_signal(ctx);
	return true;
}

static void set_msix_mask(struct pci_dev *dev, bool masked)
{
	u16 flags;

	pci_read_config_word(dev, dev->msix_cap + PCI_MSIX_FLAGS, &flags);
	flags &= ~PCI_MSIX_FLAGS_MASKALL;
	if (masked)
		flags |= PCI_MSIX_FLAGS_MASKALL;
	pci_write_config_word(dev, dev->msix_cap + PCI_MSIX_FLAGS, flags);
	/* Have it arrive. */
	pci_read_config_word(dev, dev->msix_cap + PCI_MSIX_FLAGS, &flags);
}

static u32 mask_msix(struct vfio_pci_core_device *vdev, unsigned long *pending)
{
	bool readable = __vfio_pci_memory_enabled(vdev);
	struct vfio_pci_irq_ctx *ctx;
	unsigned long i;
	u32 nr = 0;

	set_msix_mask(vdev->pdev, true);
	xa_for_each(&vdev->ctx, i, ctx) {
		if (i >= VFIO_PCI_LUO_MAX_VECTORS)
			break;
		nr = i + 1;
		/* What was on its way has reached the eventfd then. */
		synchronize_irq(pci_irq_vector(vdev->pdev, i));
		if ((ctx->trigger && is_unread(ctx->trigger)) ||
		    (readable && vfio_pci_msix_is_pending(vdev, i)))
			__set_bit(i, pending);
	}
	return nr;
}

/*
 * Has the device not interrupt. Returns how many bits of @pending say for which
 * vectors the user has not seen that it did.
 */
u32 lu_vfio_pci_mask(struct vfio_device *device, unsigned long *pending)
{
	struct vfio_pci_core_device *vdev = core_of(device);

	switch (vdev->irq_type) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return mask_msix(vdev, pending);
	case VFIO_PCI_INTX_IRQ_INDEX:
		/* A line that is asserted stays so until the device is served. */
		pci_intx(vdev->pdev, 0);
		return 0;
	default:
		return 0;
	}
}

void lu_vfio_pci_unmask(struct vfio_device *device)
{
	struct vfio_pci_core_device *vdev = core_of(device);
	struct vfio_pci_irq_ctx *ctx;

	switch (vdev->irq_type) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		set_msix_mask(vdev->pdev, false);
		break;
	case VFIO_PCI_INTX_IRQ_INDEX:
		scoped_guard(spinlock_irqsave, &vdev->irqlock) {
			ctx = xa_load(&vdev->ctx, 0);
			if (ctx && !ctx->masked)
				pci_intx(vdev->pdev, 1);
		}
		break;
	}
}

void lu_vfio_pci_freeze(struct vfio_device *device)
{
	/* First: what is taken away below must not come back by a fault. */
	WRITE_ONCE(device->liveupdate_frozen, true);
	vfio_pci_zap_bars(core_of(device));
	vfio_pci_dma_buf_move(core_of(device), true);
}

/* Returns a set of enum lu_vfio_lost. */
u32 lu_vfio_pci_thaw(struct vfio_device *device)
{
	struct vfio_pci_core_device *vdev = core_of(device);
	u32 lost = 0;

	WRITE_ONCE(device->liveupdate_frozen, false);
	if (__vfio_pci_memory_enabled(vdev))
		vfio_pci_dma_buf_move(vdev, false);
	/* Importers need not map them again, and iommufd does not. */
	if (!list_empty(&vdev->dmabufs))
		lost |= LU_VFIO_LOST_DMABUFS;
	if (vdev->ioeventfds_nr)
		lost |= LU_VFIO_LOST_IOEVENTFDS;
	return lost;
}

/* Before the device is opened: @pending is input. */
int lu_vfio_pci_take_over(struct vfio_device *device, bool reset_works,
			  const unsigned long *pending, u32 nr_vectors)
{
	struct vfio_pci_core_device *vdev = core_of(device);
	unsigned int room = VFIO_PCI_LUO_MAX_VECTORS;
	unsigned long *bits;

	bits = bitmap_zalloc(room, GFP_KERNEL_ACCOUNT);
	if (!bits)
		return -ENOMEM;
	bitmap_copy(bits, pending, min(nr_vectors, room));
	bitmap_free(vdev->liveupdate_pending);
	vdev->liveupdate_pending = bits;
	vdev->reset_works = reset_works;
	pci_liveupdate_set_running(vdev->pdev, true);
	return 0;
}

enum lu_vfio_presence lu_vfio_presence_at(u32 domain, u16 bdf)
{
	struct pci_dev *dev = pci_get_domain_bus_and_slot(domain, PCI_BUS_NUM(bdf),
							  bdf & 0xff);
	bool incoming;

	/* One that was removed left the table before it could not be had here. */
	if (!dev)
		return pci_liveupdate_is_expected(domain, bdf) ? LU_VFIO_AWAITED :
								 LU_VFIO_GONE;
	incoming = pci_liveupdate_is_incoming(dev);
	pci_dev_put(dev);
	return incoming ? LU_VFIO_INCOMING : LU_VFIO_GONE;
}

size_t lu_vfio_folio_size(struct folio *folio)
{
	return folio_size(folio);
}
