// SPDX-License-Identifier: GPL-2.0
/*
 * Two functions of one slot, of which one is preserved: whoever has the other one
 * does not reset the first by their bus. Run with "-s 1" before the live update and
 * with "-s 2" after it.
 */

#include "edu.h"
#include "lu_harness.h"

#define PAGES	2
#define TOKEN	1

/* Function 0 is anybody's, function 1 is preserved. */
static bool find(struct pci_name *other, struct pci_name *kept)
{
	if (!pci_find(SLOT_EDU, ID_EDU, other))
		return false;
	*kept = *other;
	strrchr(other->bdf, '.')[1] = '0';
	strrchr(kept->bdf, '.')[1] = '1';
	return pci_bind(other->bdf, "vfio-pci") == 0 &&
	       pci_bind(kept->bdf, "vfio-pci") == 0;
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_create(device, "siblings");
	struct pci_name other, kept;
	struct vfio one, two;

	NEED(session >= 0);
	NEED(find(&other, &kept));
	NEED(edu_open(&one, other.bdf) == 0);
	NEED(vfio_hot_reset(one.fd) == 0);
	/* They are of one IOMMU group, and so of one address space. */
	NEED(vfio_share(&two, vfio_open_cdev(kept.bdf), &one) == 0);
	NEED(edu_start(&two) == 0);
	NEED(lu_preserve(session, two.fd, TOKEN) == 0);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

TEST(a_sibling_of_a_preserved_device_is_not_reset_by_their_bus)
{
	int device = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(device, "siblings");
	int memfd = memfd_create("buffer", 0);
	struct pci_name other, kept;
	struct vfio one, two;
	int fd;

	ASSERT_TRUE(lu_fill(memfd, 0, PAGES * PAGE, 1));
	ASSERT_TRUE(find(&other, &kept));
	ASSERT_EQ(edu_open(&one, other.bdf), 0);
	EXPECT_EQ(vfio_hot_reset(one.fd), -EBUSY);

	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, TOKEN);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(vfio_hot_reset(one.fd), -EBUSY);
	ASSERT_EQ(vfio_share(&two, fd, &one), 0);
	ASSERT_EQ(edu_start(&two), 0);
	ASSERT_EQ(vfio_map_memfd(&two, memfd, PAGES * PAGE), 0);
	EXPECT_TRUE(edu_copies_page(&two, memfd, 0, 1));

	/* From here on they are as any two functions. */
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_EQ(vfio_hot_reset(one.fd), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
