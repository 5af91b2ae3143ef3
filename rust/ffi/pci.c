// SPDX-License-Identifier: GPL-2.0
/*
 * C that live update of PCI devices in Rust cannot do without: exports, and
 * wrappers for inline functions and bit fields.
 */

#include <linux/export.h>
#include <linux/pci.h>

#include "pci.h"

EXPORT_SYMBOL_GPL(pci_liveupdate_register_flb);
EXPORT_SYMBOL_GPL(pci_liveupdate_unregister_flb);
EXPORT_SYMBOL_GPL(pci_liveupdate_preserve);
EXPORT_SYMBOL_GPL(pci_liveupdate_unpreserve);
EXPORT_SYMBOL_GPL(pci_liveupdate_finish);
EXPORT_SYMBOL_GPL(pci_liveupdate_is_incoming);
EXPORT_SYMBOL_GPL(pci_liveupdate_is_expected);
EXPORT_SYMBOL_GPL(pci_liveupdate_at_jump);
EXPORT_SYMBOL_GPL(pci_liveupdate_set_running);
EXPORT_SYMBOL_GPL(pci_liveupdate_is_running);

u32 lu_pci_domain(struct pci_dev *dev)
{
	return pci_domain_nr(dev->bus);
}
EXPORT_SYMBOL_GPL(lu_pci_domain);

u16 lu_pci_bdf(struct pci_dev *dev)
{
	return pci_dev_id(dev);
}
EXPORT_SYMBOL_GPL(lu_pci_bdf);

bool lu_pci_is_virtual(struct pci_dev *dev)
{
	return dev->is_virtfn;
}
EXPORT_SYMBOL_GPL(lu_pci_is_virtual);

bool lu_pci_is_bridge(struct pci_dev *dev)
{
	return pci_is_bridge(dev);
}

struct pci_dev *lu_pci_upstream_bridge(struct pci_dev *dev)
{
	return pci_upstream_bridge(dev);
}
EXPORT_SYMBOL_GPL(lu_pci_upstream_bridge);

/*
 * A bridge on @bus that came from the previous kernel and was found without
 * bus numbers. The caller keeps devices from coming and going.
 */
struct pci_dev *lu_pci_bridge_without_bus(struct pci_bus *bus)
{
	struct pci_dev *bridge;

	for_each_pci_bridge(bridge, bus)
		if (bridge->liveupdate.was_incoming && !bridge->subordinate)
			return bridge;
	return NULL;
}

void lu_pci_set_ari(struct pci_dev *bridge, bool enabled)
{
	bridge->ari_enabled = enabled;
}
