// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation fails once while a device is preserved, and while one is
 * retrieved. For kernels with CONFIG_FAULT_INJECTION. Run with "-s 1" before the
 * live update and with "-s 2" after it.
 */

#include "faults.h"
#include "edu.h"
#include "lu_harness.h"

#define PAGES	2
#define TOKEN	1

/* Devices of the second stage, one for each allocation that may fail. */
#define DEVICES	18

static void session_name(char *name, size_t size, unsigned int index)
{
	snprintf(name, size, "device-%u", index);
}

static bool works(const struct vfio *edu, int memfd)
{
	return lu_fill(memfd, 0, PAGE, 1) && lu_fill(memfd, PAGE, 2 * PAGE, 1) &&
	       edu_copies_page(edu, memfd, 0, 1);
}

/* Stage 1. */

TEST(preserving_a_device)
{
	int device = open(LU_DEVICE, O_RDWR);
	int memfd = memfd_create("buffer", 0);
	int control = fault_open();
	struct pci_name name;
	struct vfio edu;
	bool failed = true;
	unsigned int nth;

	ASSERT_GE(device, 0);
	ASSERT_GE(control, 0);
	ASSERT_TRUE(lu_fill(memfd, 0, PAGES * PAGE, 1));
	ASSERT_TRUE(pci_find(SLOT_SWITCH, ID_EDU, &name));
	ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
	ASSERT_EQ(edu_open(&edu, name.bdf), 0);
	ASSERT_EQ(vfio_map_memfd(&edu, memfd, PAGES * PAGE), 0);
	for (nth = 1; failed && nth < MOST; nth++) {
		int session = lu_create(device, "fail");
		int err;

		ASSERT_GE(session, 0);
		ASSERT_TRUE(fault_at(control, nth));
		err = lu_preserve(session, edu.fd, TOKEN);
		failed = fault_came(control);
		if (err) {
			EXPECT_TRUE(failed);
			EXPECT_EQ(err, -ENOMEM);
			err = lu_preserve(session, edu.fd, TOKEN);
		}
		ASSERT_EQ(err, 0);
		close(session);
	}
	EXPECT_GT(nth, 2);
	EXPECT_LT(nth, MOST);
	printf("# %u allocations\n", nth - 2);
	EXPECT_TRUE(works(&edu, memfd));
	close(control);
	vfio_close(&edu);
	close(device);
}

static void prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	struct pci_name edu;
	struct vfio vfio;
	char name[32];

	for (unsigned int i = 0; i < DEVICES; i++) {
		int session;

		session_name(name, sizeof(name), i);
		session = lu_create(device, name);
		NEED(session >= 0 && pci_find(SLOT_MORE + i, ID_EDU, &edu));
		NEED(pci_bind(edu.bdf, "vfio-pci") == 0);
		NEED(vfio_open(&vfio, edu.bdf) == 0);
		NEED(lu_preserve(session, vfio.fd, TOKEN) == 0);
	}
	close(device);
	lu_keep_sessions();
	printf("# prepared\n");
}

/* Stage 2. */

static int retrieve_session(int device, unsigned int index)
{
	char name[32];

	session_name(name, sizeof(name), index);
	return lu_retrieve_session(device, name);
}

TEST(retrieving_a_device)
{
	int device = open(LU_DEVICE, O_RDWR);
	int memfd = memfd_create("buffer", 0);
	int control = fault_open();
	struct pci_name name;
	bool failed = true;
	unsigned int nth;

	ASSERT_GE(device, 0);
	ASSERT_GE(control, 0);
	ASSERT_TRUE(lu_fill(memfd, 0, PAGES * PAGE, 1));
	for (nth = 1; failed && nth <= DEVICES; nth++) {
		int session = retrieve_session(device, nth - 1);
		struct vfio edu;
		int fd;

		ASSERT_GE(session, 0);
		ASSERT_TRUE(pci_find(SLOT_MORE + nth - 1, ID_EDU, &name));
		ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
		ASSERT_TRUE(fault_at(control, nth));
		fd = lu_retrieve(session, TOKEN);
		failed = fault_came(control);
		if (fd < 0) {
			EXPECT_TRUE(failed);
			/* The handler's, or that of what comes around it. */
			EXPECT_TRUE(fd == -EAGAIN || fd == -ENOMEM);
			fd = lu_retrieve(session, TOKEN);
			EXPECT_GE(fd, 0);
		}
		if (fd >= 0) {
			EXPECT_EQ(edu_take_over(&edu, fd, memfd, PAGES * PAGE), 0);
			EXPECT_TRUE(works(&edu, memfd));
			vfio_close(&edu);
			EXPECT_EQ(lu_finish(session, 0), 0);
		}
		close(session);
	}
	/* All allocations had their turn. */
	EXPECT_FALSE(failed);
	printf("# %u allocations\n", nth - 2);
	close(control);
	close(device);
}

int main(int argc, char **argv)
{
	bool first = argc == 3 && !strcmp(argv[2], "1");
	char *const only[] = {
		argv[0], "-t",
		first ? "preserving_a_device" : "retrieving_a_device", NULL,
	};

	if (!fault_set_up()) {
		printf("# this kernel cannot make allocations fail\n");
		return 1;
	}
	if (first)
		prepare();
	return test_harness_run(3, (char **)only);
}
