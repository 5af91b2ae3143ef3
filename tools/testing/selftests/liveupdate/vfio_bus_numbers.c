// SPDX-License-Identifier: GPL-2.0
/*
 * Says where a device is before and after a live update. It is preserved, unless
 * the kernel is told "preserve=no". Run with "-s 1" before the live update and
 * with "-s 2" after it.
 */

#include "edu.h"
#include "lu_harness.h"

#define TOKEN	1
#define PAGES	2

static bool find(struct pci_name *name)
{
	return pci_find(SLOT_SWITCH, ID_EDU, name) ||
	       pci_find_behind(PORT_DOMAIN_1, ID_EDU, name);
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "numbers");
	struct pci_name name;
	struct vfio edu;

	NEED(session >= 0);
	NEED(find(&name));
	printf("# before: device at %s\n", name.bdf);
	if (pci_is_told("preserve=no"))
		return 0;
	NEED(pci_bind(name.bdf, "vfio-pci") == 0);
	NEED(edu_open(&edu, name.bdf) == 0);
	NEED(lu_preserve(session, edu.fd, TOKEN) == 0);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

FIXTURE(numbers)
{
	struct pci_name name;
};

FIXTURE_SETUP(numbers)
{
	ASSERT_TRUE(find(&self->name));
	printf("# after: device at %s\n", self->name.bdf);
	ASSERT_EQ(pci_bind(self->name.bdf, "vfio-pci"), 0);
}

FIXTURE_TEARDOWN(numbers)
{
}

/*
 * Wherever it is: its bridges lead there. The firmware's code for interrupts of
 * domain 1 takes a kernel that looks after itself up to a minute.
 */
TEST_F(numbers, the_device_works)
{
	int memfd = memfd_create("buffer", 0);
	struct vfio edu;

	ASSERT_TRUE(lu_fill(memfd, 0, PAGES * PAGE, 1));
	if (pci_is_told("preserve=no")) {
		ASSERT_EQ(vfio_open(&edu, self->name.bdf), 0);
	} else {
		int device = open(LU_DEVICE, O_RDWR);
		int session = lu_retrieve_session(device, "numbers");
		int fd = lu_retrieve(session, TOKEN);

		ASSERT_GE(fd, 0);
		ASSERT_EQ(vfio_connect(&edu, fd), 0);
		EXPECT_EQ(lu_finish(session, 0), 0);
	}
	ASSERT_EQ(edu_start(&edu), 0);
	ASSERT_EQ(vfio_map_memfd(&edu, memfd, PAGES * PAGE), 0);
	EXPECT_TRUE(edu_copies_page(&edu, memfd, 0, 1));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
