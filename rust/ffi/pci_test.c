// SPDX-License-Identifier: GPL-2.0
/*
 * A PCI driver that has its devices preserved when that is refused, for tests.
 *
 * Files of VFIO cannot show all of what the PCI core refuses: LUO does not ask
 * for them any more once devices are being shut down. The driver takes only
 * devices whose driver_override names it.
 */

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>

static int test_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	int first = pci_liveupdate_preserve(dev);
	int second = pci_liveupdate_preserve(dev);

	if (!first)
		pci_liveupdate_unpreserve(dev);
	pci_notice(dev, "preserve: %d, then %d\n", first, second);
	return 0;
}

static void test_remove(struct pci_dev *dev)
{
}

static void test_shutdown(struct pci_dev *dev)
{
	pci_notice(dev, "preserve at shutdown: %d\n", pci_liveupdate_preserve(dev));
}

static const struct pci_device_id no_ids[] = {
	{ }
};

static struct pci_driver test_driver = {
	.name		= "pci-liveupdate-test",
	.id_table	= no_ids,
	.probe		= test_probe,
	.remove		= test_remove,
	.shutdown	= test_shutdown,
};
builtin_pci_driver(test_driver);
