/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What live update of PCI devices in Rust needs and only C can say: inline
 * functions and bit fields of the PCI core.
 */
#ifndef _LIVEUPDATE_FFI_PCI_H
#define _LIVEUPDATE_FFI_PCI_H

#include <linux/pci.h>

u32 lu_pci_domain(struct pci_dev *dev);
u16 lu_pci_bdf(struct pci_dev *dev);
bool lu_pci_is_virtual(struct pci_dev *dev);
bool lu_pci_is_bridge(struct pci_dev *dev);
struct pci_dev *lu_pci_upstream_bridge(struct pci_dev *dev);
struct pci_dev *lu_pci_bridge_without_bus(struct pci_bus *bus);
void lu_pci_set_ari(struct pci_dev *bridge, bool enabled);

#endif /* _LIVEUPDATE_FFI_PCI_H */
