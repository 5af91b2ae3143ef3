// SPDX-License-Identifier: GPL-2.0
/*
 * C that the handler of vfio-pci in Rust cannot do without: private structures,
 * locks and inline functions of VFIO. Part of the module vfio_pci_liveupdate.
 */

#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "drivers/vfio/vfio.h"
#include "drivers/vfio/pci/vfio_pci_priv.h"
#include "vfio.h"

/* What abi/vfio_pci.rs asserts of DeviceSer. */
static_assert(sizeof(struct vfio_pci_core_device_ser) == 6);
static_assert(offsetof(struct vfio_pci_core_device_ser, domain) == 0);
static_assert(offsetof(struct vfio_pci_core_device_ser, bdf) == 4);

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

static int is_at(struct device *dev, const void *data)
{
	struct vfio_device *device = container_of(dev, struct vfio_device, device);
	const struct place *place = data;

	return is_vfio_pci(device) &&
	       lu_vfio_domain(to_pci_dev(device->dev)) == place->domain &&
	       lu_vfio_bdf(to_pci_dev(device->dev)) == place->bdf;
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

bool lu_vfio_pci_has_interrupts(struct vfio_device *device)
{
	return core_of(device)->irq_type != VFIO_PCI_NUM_IRQS;
}

bool lu_vfio_pci_is_in_d0(struct vfio_device *device)
{
	return core_of(device)->pdev->current_state == PCI_D0;
}

void lu_vfio_pci_freeze(struct vfio_device *device)
{
	/* First: what is taken away below must not come back by a fault. */
	WRITE_ONCE(device->liveupdate_frozen, true);
	vfio_pci_zap_bars(core_of(device));
	vfio_pci_dma_buf_move(core_of(device), true);
}

void lu_vfio_pci_thaw(struct vfio_device *device)
{
	WRITE_ONCE(device->liveupdate_frozen, false);
	if (__vfio_pci_memory_enabled(core_of(device)))
		vfio_pci_dma_buf_move(core_of(device), false);
}

u32 lu_vfio_domain(struct pci_dev *dev)
{
	return pci_domain_nr(dev->bus);
}

u16 lu_vfio_bdf(struct pci_dev *dev)
{
	return pci_dev_id(dev);
}

bool lu_vfio_is_virtual(struct pci_dev *dev)
{
	return dev->is_virtfn;
}

u64 lu_vfio_phys(void *preserved)
{
	return virt_to_phys(preserved);
}

void *lu_vfio_folio_address(struct folio *folio)
{
	return folio_address(folio);
}

size_t lu_vfio_folio_size(struct folio *folio)
{
	return folio_size(folio);
}

void lu_vfio_folio_put(struct folio *folio)
{
	folio_put(folio);
}
