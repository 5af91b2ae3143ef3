// SPDX-License-Identifier: GPL-2.0
/*
 * A device that nobody preserves: a driver in userspace has it before a live
 * update and again after it. Shows that what the other tests build on works.
 * Run with "-s 1" before the live update and with "-s 2" after it.
 */

#include "edu.h"
#include "nvme.h"
#include "lu_harness.h"

#define PAGES	4

static bool interrupts(const struct vfio *edu, unsigned int index)
{
	int event = vfio_enable_irqs(edu->fd, index);

	NEED(event >= 0);
	NEED(edu_interrupts(edu, event));
	NEED(vfio_disable_irqs(edu->fd, index) == 0);
	close(event);
	return true;
}

/* What a driver does all day. */
static bool drives_device(const struct pci_name *name)
{
	int memfd = memfd_create("buffer", 0);
	struct vfio edu;
	int dmabuf;

	NEED(memfd >= 0 && lu_fill(memfd, 0, PAGES * PAGE, 1));
	NEED(pci_bind(name->bdf, "vfio-pci") == 0);
	NEED(edu_open(&edu, name->bdf) == 0);
	NEED(vfio_map_memfd(&edu, memfd, PAGES * PAGE) == 0);
	NEED(edu_copies_page(&edu, memfd, 0, 1));
	NEED(edu_copies_page(&edu, memfd, 2, 3));
	dmabuf = vfio_export_bar(edu.fd, 0);
	NEED(dmabuf >= 0);
	NEED(vfio_map_file(&edu, dmabuf, PAGE, IOVA_DMABUF) == 0);
	NEED(edu_reaches_its_bar(&edu, memfd, 3));
	NEED(interrupts(&edu, VFIO_PCI_MSI_IRQ_INDEX));
	NEED(interrupts(&edu, VFIO_PCI_INTX_IRQ_INDEX));
	close(dmabuf);
	vfio_close(&edu);
	close(memfd);
	return true;
}

static bool sleeps_and_wakes(const struct pci_name *name)
{
	struct vfio nvme;

	NEED(pci_bind(name->bdf, "vfio-pci") == 0);
	NEED(nvme_open(&nvme, name->bdf) == 0);
	NEED(vfio_set_power_state(nvme.fd, name->bdf, PM_D3HOT) == 0);
	NEED(vfio_set_power_state(nvme.fd, name->bdf, PM_D0) == 0);
	NEED(nvme_is_alive(&nvme));
	vfio_close(&nvme);
	return true;
}

static int prepare(void)
{
	struct pci_name name;

	NEED(pci_find(SLOT_EDU, ID_EDU, &name) && drives_device(&name));
	NEED(pci_find(SLOT_SWITCH, ID_EDU, &name) && drives_device(&name));
	NEED(pci_find(SLOT_NVME, ID_NVME, &name) && sleeps_and_wakes(&name));
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

TEST(a_disk_has_its_ordinary_driver)
{
	struct pci_name name;

	ASSERT_TRUE(pci_find(SLOT_NVME, ID_NVME, &name));
	EXPECT_TRUE(WAIT_FOR(pci_has_driver(name.bdf, "nvme")));
	EXPECT_TRUE(WAIT_FOR(access("/dev/nvme0", F_OK) == 0));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
