// SPDX-License-Identifier: GPL-2.0
/*
 * A bridge above a preserved device routes as it did: access control (ACS) and
 * forwarding to more than eight functions (ARI) are as they were, even where this
 * kernel would have chosen otherwise. Other bridges are set up as ever. Run with
 * "-s 1" before the live update and with "-s 2" after it.
 */

#include "nvme.h"
#include "lu_harness.h"

#define TOKEN	1

/*
 * A root port whose device is preserved, and one whose is not: SLOT_NVME and
 * SLOT_MORE. Both have an NVMe device, as ARI is nothing that edu knows of.
 */
#define KEPT	"0000:00:06.0"
#define OTHER	"0000:00:08.0"

/* Where a register is, and a bit of it which the kernel would choose otherwise. */
struct choice {
	int at;
	__u16 bit;
	bool kernel_sets_it;
};

static bool find_acs(const char *port, struct choice *choice)
{
	int at = pci_find_ext_capability(port, PCI_EXT_CAP_ID_ACS);

	*choice = (struct choice){ at + PCI_ACS_CTRL, PCI_ACS_UF, true };
	return at > 0;
}

static bool find_ari(const char *port, struct choice *choice)
{
	int at = pci_find_capability(port, PCI_CAP_ID_EXP);

	*choice = (struct choice){ at + PCI_EXP_DEVCTL2, PCI_EXP_DEVCTL2_ARI, false };
	return at > 0;
}

static bool is_as_kernel_chooses(const char *port, const struct choice *choice)
{
	long value = pci_config(port, choice->at, 2);

	return value >= 0 && !!(value & choice->bit) == choice->kernel_sets_it;
}

static void choose_otherwise(const char *port,
			     bool (*find)(const char *, struct choice *))
{
	struct choice choice;
	long value;

	NEED(find(port, &choice));
	NEED(is_as_kernel_chooses(port, &choice));
	value = pci_config(port, choice.at, 2);
	NEED(pci_set_config(port, choice.at, value ^ choice.bit) == 0);
	NEED(!is_as_kernel_chooses(port, &choice));
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "bridges");
	struct pci_name name;
	struct vfio nvme;

	NEED(session >= 0);
	NEED(pci_find(SLOT_NVME, ID_NVME, &name));
	NEED(pci_bind(name.bdf, "vfio-pci") == 0);
	NEED(nvme_open(&nvme, name.bdf) == 0);
	NEED(lu_preserve(session, nvme.fd, TOKEN) == 0);
	choose_otherwise(KEPT, find_acs);
	choose_otherwise(KEPT, find_ari);
	choose_otherwise(OTHER, find_acs);
	choose_otherwise(OTHER, find_ari);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

TEST(access_control_is_inherited)
{
	struct choice choice;

	ASSERT_TRUE(find_acs(KEPT, &choice));
	EXPECT_FALSE(is_as_kernel_chooses(KEPT, &choice));
	ASSERT_TRUE(find_acs(OTHER, &choice));
	EXPECT_TRUE(is_as_kernel_chooses(OTHER, &choice));
}

TEST(ari_forwarding_is_inherited)
{
	struct choice choice;

	ASSERT_TRUE(find_ari(KEPT, &choice));
	EXPECT_FALSE(is_as_kernel_chooses(KEPT, &choice));
	ASSERT_TRUE(find_ari(OTHER, &choice));
	EXPECT_TRUE(is_as_kernel_chooses(OTHER, &choice));
}

TEST(the_device_behind_works)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "bridges");
	struct pci_name name;
	struct vfio nvme;
	int fd;

	ASSERT_TRUE(pci_find(SLOT_NVME, ID_NVME, &name));
	ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
	fd = lu_retrieve(session, TOKEN);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(vfio_connect(&nvme, fd), 0);
	EXPECT_EQ(nvme_start(&nvme), 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
