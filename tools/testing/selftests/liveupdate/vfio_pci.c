// SPDX-License-Identifier: GPL-2.0
/*
 * A device that nobody preserves: a driver in userspace has it before a live
 * update and again after it. Shows that what the other tests build on works.
 * Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "vfio.h"
#include "kselftest_harness.h"

#define PAGES	4

/* What a driver does all day. */
static bool drives_device(const struct pci_name *name)
{
	int memfd = memfd_create("buffer", 0);
	struct vfio edu;
	int event;

	NEED(memfd >= 0 && lu_fill(memfd, 0, PAGES * PAGE, 1));
	NEED(pci_bind(name->bdf, "vfio-pci") == 0);
	NEED(edu_open(&edu, name->bdf) == 0);
	NEED(vfio_map_memfd(&edu, memfd, PAGES * PAGE) == 0);
	NEED(edu_copies_page(&edu, memfd, 0, 1));
	NEED(edu_copies_page(&edu, memfd, 2, 3));
	event = vfio_enable_msi(edu.fd);
	NEED(event >= 0);
	NEED(edu_interrupts(&edu, event));
	NEED(vfio_disable_irqs(edu.fd, VFIO_PCI_MSI_IRQ_INDEX) == 0);
	close(event);
	vfio_close(&edu);
	close(memfd);
	return true;
}

static int prepare(void)
{
	struct pci_name name;

	NEED(pci_find(SLOT_EDU, ID_EDU, &name) && drives_device(&name));
	NEED(pci_find(SLOT_SWITCH, ID_EDU, &name) && drives_device(&name));
	printf("# prepared\n");
	return 0;
}

FIXTURE(device)
{
	struct pci_name name;
};

FIXTURE_VARIANT(device)
{
	unsigned int slot;
};

FIXTURE_VARIANT_ADD(device, behind_a_root_port)
{
	.slot = SLOT_EDU,
};

FIXTURE_VARIANT_ADD(device, behind_a_switch)
{
	.slot = SLOT_SWITCH,
};

FIXTURE_SETUP(device)
{
	ASSERT_TRUE(pci_find(variant->slot, ID_EDU, &self->name));
}

FIXTURE_TEARDOWN(device)
{
}

TEST_F(device, has_no_driver_and_does_no_dma_after_an_ordinary_kexec)
{
	char target[PCI_PATH];

	EXPECT_EQ(pci_link(self->name.bdf, "driver", target), -ENOENT);
	EXPECT_FALSE(pci_is_bus_master(self->name.bdf));
}

TEST_F(device, is_driven_again)
{
	EXPECT_TRUE(drives_device(&self->name));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
