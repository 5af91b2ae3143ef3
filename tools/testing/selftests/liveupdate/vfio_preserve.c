// SPDX-License-Identifier: GPL-2.0
/*
 * Which files of VFIO devices can be preserved, and how to take that back. No
 * live update comes of it.
 */

#include "edu.h"
#include "lu_harness.h"

#define PAGES		2
#define TOKEN		7
#define ROUNDS		64

/* What a table may keep for the next time, and processors in their caches. */
#define MAY_REMAIN_KIB	256

FIXTURE(preserve)
{
	int device;
	int session;
	int memfd;
	struct pci_name name;
	struct vfio edu;
};

FIXTURE_SETUP(preserve)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	self->session = lu_create(self->device, "vfio");
	ASSERT_GE(self->session, 0);
	self->memfd = memfd_create("buffer", 0);
	ASSERT_GE(self->memfd, 0);
	ASSERT_TRUE(lu_fill(self->memfd, 0, PAGES * PAGE, 1));
	ASSERT_TRUE(pci_find(SLOT_SWITCH, ID_EDU, &self->name));
	ASSERT_EQ(pci_bind(self->name.bdf, "vfio-pci"), 0);
	ASSERT_EQ(edu_open(&self->edu, self->name.bdf), 0);
	ASSERT_EQ(vfio_map_memfd(&self->edu, self->memfd, PAGES * PAGE), 0);
}

FIXTURE_TEARDOWN(preserve)
{
	close(self->session);
	vfio_close(&self->edu);
	close(self->device);
}

TEST_F(preserve, a_device_bound_to_an_iommufd_is_preserved_and_goes_on_working)
{
	int event = vfio_enable_msi(self->edu.fd);

	ASSERT_GE(event, 0);
	ASSERT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
	EXPECT_TRUE(edu_copies_page(&self->edu, self->memfd, 0, 1));
	EXPECT_TRUE(edu_interrupts(&self->edu, event));
}

TEST_F(preserve, a_device_and_the_memfd_that_it_uses_go_together)
{
	ASSERT_EQ(lu_preserve(self->session, self->memfd, TOKEN + 1), 0);
	ASSERT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
	EXPECT_TRUE(edu_copies_page(&self->edu, self->memfd, 0, 1));
}

TEST_F(preserve, a_device_is_preserved_once)
{
	int other = lu_create(self->device, "other");
	int copy = dup(self->edu.fd);

	ASSERT_GE(other, 0);
	ASSERT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
	EXPECT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN + 1), -EBUSY);
	EXPECT_EQ(lu_preserve(self->session, copy, TOKEN + 1), -EBUSY);
	EXPECT_EQ(lu_preserve(other, self->edu.fd, TOKEN), -EBUSY);
	EXPECT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), -EEXIST);
	/* What was refused has changed nothing. */
	EXPECT_TRUE(edu_copies_page(&self->edu, self->memfd, 0, 1));
	close(self->session);
	EXPECT_EQ(lu_preserve(other, self->edu.fd, TOKEN), 0);
}

TEST_F(preserve, a_file_without_an_iommufd_is_refused)
{
	struct pci_name name;
	int fd;

	ASSERT_TRUE(pci_find(SLOT_EDU, ID_EDU, &name));
	ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
	fd = vfio_open_cdev(name.bdf);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_preserve(self->session, fd, TOKEN), -ENOENT);
	/* A second file of a device that another one has. */
	fd = vfio_open_cdev(self->name.bdf);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_preserve(self->session, fd, TOKEN), -ENOENT);
	EXPECT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
}

TEST_F(preserve, a_file_from_a_group_is_refused)
{
	int iommufd = open("/dev/iommu", O_RDWR);
	struct pci_name name;
	int fd;

	ASSERT_TRUE(pci_find(SLOT_EDU, ID_EDU, &name));
	ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
	fd = vfio_open_by_group(name.bdf, iommufd);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_preserve(self->session, fd, TOKEN), -ENOENT);
}

TEST_F(preserve, a_virtual_function_is_refused)
{
	struct pci_name physical, virtual = {};
	char target[PCI_PATH];
	struct vfio function;
	int err;

	ASSERT_TRUE(pci_find(SLOT_NVME, ID_NVME, &physical));
	/* No driver of its own must be quicker than this. */
	ASSERT_EQ(pci_write(physical.bdf, "sriov_drivers_autoprobe", "0"), 0);
	ASSERT_EQ(pci_write(physical.bdf, "sriov_numvfs", "1"), 0);
	ASSERT_EQ(pci_link(physical.bdf, "virtfn0", target), 0);
	snprintf(virtual.bdf, sizeof(virtual.bdf), "%s", strrchr(target, '/') + 1);
	/* It was refused (ENODEV) once in many runs, right after it had come to be. */
	ASSERT_TRUE(WAIT_FOR(pci_bind(virtual.bdf, "vfio-pci") == 0));
	ASSERT_EQ(vfio_open(&function, virtual.bdf), 0);

	err = lu_preserve(self->session, function.fd, TOKEN);
	EXPECT_TRUE(err == -EINVAL || err == -ENOENT);
	EXPECT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
	vfio_close(&function);
	EXPECT_EQ(pci_write(physical.bdf, "sriov_numvfs", "0"), 0);
}

TEST_F(preserve, closing_the_session_gives_the_device_back)
{
	struct vfio again;
	int other;

	ASSERT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
	close(self->session);
	EXPECT_TRUE(edu_copies_page(&self->edu, self->memfd, 0, 1));

	other = lu_create(self->device, "other");
	ASSERT_EQ(lu_preserve(other, self->edu.fd, TOKEN), 0);
	close(other);
	vfio_close(&self->edu);
	ASSERT_EQ(edu_open(&again, self->name.bdf), 0);
	vfio_close(&again);
}

TEST_F(preserve, a_session_keeps_a_device_that_its_owner_has_closed)
{
	struct vfio again;

	ASSERT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
	vfio_close(&self->edu);
	EXPECT_LT(edu_open(&again, self->name.bdf), 0);
	close(self->session);
	EXPECT_EQ(edu_open(&again, self->name.bdf), 0);
}

TEST_F(preserve, nothing_is_left_of_what_was_taken_back)
{
	long before = 0, after;

	/* Such a kernel keeps what is freed for a while, and finds leaks by itself. */
	if (!lu_free_memory_tells())
		return;
	ASSERT_TRUE(lu_count_free_memory_exactly());
	/* The first half warms up caches. */
	for (int i = 0; i < 2 * ROUNDS; i++) {
		int session = lu_create(self->device, "again");

		if (i == ROUNDS)
			before = lu_free_memory();
		ASSERT_GE(session, 0);
		ASSERT_EQ(lu_preserve(session, self->edu.fd, TOKEN), 0);
		close(session);
	}
	after = lu_free_memory();
	ASSERT_GT(before, 0);
	/* Two pages a round would be seen. */
	EXPECT_GT(after, before - MAY_REMAIN_KIB);
	EXPECT_TRUE(edu_copies_page(&self->edu, self->memfd, 0, 1));
}

TEST_F(preserve, devices_are_looked_for_meanwhile)
{
	pid_t pid = pci_keep_rescanning();

	ASSERT_GE(pid, 0);
	for (int i = 0; i < ROUNDS; i++) {
		int session = lu_create(self->device, "again");

		ASSERT_GE(session, 0);
		ASSERT_EQ(lu_preserve(session, self->edu.fd, TOKEN), 0);
		close(session);
	}
	EXPECT_TRUE(pci_stop_rescanning(pid));
	EXPECT_TRUE(edu_copies_page(&self->edu, self->memfd, 0, 1));
}

TEST_F(preserve, a_killed_owner_leaves_an_ordinary_device)
{
	struct vfio again;
	int status;
	pid_t pid;

	close(self->session);
	vfio_close(&self->edu);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int session = lu_create(self->device, "killed");

		if (edu_open(&again, self->name.bdf) ||
		    lu_preserve(session, again.fd, TOKEN))
			_exit(1);
		kill(getpid(), SIGKILL);
		_exit(2);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFSIGNALED(status));

	ASSERT_EQ(edu_open(&again, self->name.bdf), 0);
	ASSERT_EQ(vfio_map_memfd(&again, self->memfd, PAGES * PAGE), 0);
	EXPECT_TRUE(edu_copies_page(&again, self->memfd, 0, 1));
	self->session = lu_create(self->device, "again");
	EXPECT_EQ(lu_preserve(self->session, again.fd, TOKEN), 0);
}


TEST_F(preserve, unplugging_a_device_waits_for_its_session)
{
	int event = vfio_enable_irqs(self->edu.fd, VFIO_PCI_REQ_IRQ_INDEX);
	struct vfio again;
	int status;
	pid_t pid;

	ASSERT_GE(event, 0);
	ASSERT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(self->session);
		vfio_close(&self->edu);
		_exit(pci_write(self->name.bdf, "remove", "1") ? 1 : 0);
	}
	/* Its owner is asked to let go of it. */
	ASSERT_TRUE(vfio_event_came(event));
	vfio_close(&self->edu);
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	close(self->session);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);

	ASSERT_TRUE(lu_write_text(PCI_RESCAN, "1"));
	ASSERT_TRUE(pci_find(SLOT_SWITCH, ID_EDU, &self->name));
	ASSERT_EQ(pci_bind(self->name.bdf, "vfio-pci"), 0);
	ASSERT_EQ(edu_open(&again, self->name.bdf), 0);
	self->session = lu_create(self->device, "again");
	EXPECT_EQ(lu_preserve(self->session, again.fd, TOKEN), 0);
}

TEST_HARNESS_MAIN
