// SPDX-License-Identifier: GPL-2.0
/*
 * What the PCI core refuses to preserve, whichever driver asks. A test driver of
 * the kernel does, and says in the log what it got. Run with "-s 1" before the
 * live update and with "-s 2" after it.
 */

#include "edu.h"
#include "lu_harness.h"

#define TOKEN	1

/* The driver in rust/ffi/pci_test.c. */
#define DRIVER	"pci-liveupdate-test"

/* The first virtual function of a device, which gets no driver by itself. */
static void make_virtual(const char *bdf, char *virtual, size_t size)
{
	char target[PCI_PATH];

	NEED(pci_write(bdf, "sriov_drivers_autoprobe", "0") == 0);
	NEED(pci_write(bdf, "sriov_numvfs", "1") == 0);
	NEED(pci_link(bdf, "virtfn0", target) == 0);
	snprintf(virtual, size, "%s", strrchr(target, '/') + 1);
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "refusals");
	struct pci_name kept, other, nvme;
	char virtual[BDF_LENGTH];
	struct vfio edu;

	NEED(session >= 0);
	NEED(pci_find(SLOT_EDU, ID_EDU, &kept));
	NEED(pci_find(SLOT_SWITCH, ID_EDU, &other));
	NEED(pci_find(SLOT_NVME, ID_NVME, &nvme));

	printf("# without a table\n");
	NEED(pci_bind(other.bdf, DRIVER) == 0);
	NEED(pci_bind(kept.bdf, "vfio-pci") == 0);
	NEED(edu_open(&edu, kept.bdf) == 0);
	NEED(lu_preserve(session, edu.fd, TOKEN) == 0);

	printf("# an endpoint\n");
	NEED(pci_unbind(other.bdf) == 0);
	NEED(pci_bind(other.bdf, DRIVER) == 0);

	printf("# a virtual function\n");
	make_virtual(nvme.bdf, virtual, sizeof(virtual));
	/* It may be refused right after it has come to be. */
	NEED(WAIT_FOR(pci_bind(virtual, DRIVER) == 0));

	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

TEST(only_what_was_preserved_is_incoming)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "refusals");
	struct pci_name kept, other;

	ASSERT_GE(session, 0);
	ASSERT_TRUE(pci_find(SLOT_EDU, ID_EDU, &kept));
	ASSERT_TRUE(pci_find(SLOT_SWITCH, ID_EDU, &other));
	EXPECT_NE(pci_bind(kept.bdf, "pci-stub"), 0);
	EXPECT_EQ(pci_bind(other.bdf, "pci-stub"), 0);
	ASSERT_EQ(pci_bind(kept.bdf, "vfio-pci"), 0);
	ASSERT_GE(lu_retrieve(session, TOKEN), 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
