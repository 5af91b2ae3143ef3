// SPDX-License-Identifier: GPL-2.0
/*
 * Preserved devices after a live update: whose they are, and what becomes of
 * those that nobody asks for. Run with "-s 1" before the live update and with
 * "-s 2" after it.
 */

#include "edu.h"
#include "lu_harness.h"

#define PAGES		4
#define DEVICE_TOKEN	1
#define MEMFD_TOKEN	2

/* A session for each device; where it is; what it is. */
static const struct {
	const char *session;
	unsigned int slot;
	unsigned int id;
} devices[] = {
	{ "root-port", SLOT_EDU, ID_EDU },
	{ "switch", SLOT_SWITCH, ID_EDU },
	{ "nvme", SLOT_NVME, ID_NVME },
	{ "refused", SLOT_MORE, ID_EDU },
	{ "twice", SLOT_MORE + 1, ID_EDU },
	{ "removed", SLOT_MORE + 2, ID_EDU },
	{ "rebound", SLOT_MORE + 3, ID_EDU },
	{ "again", SLOT_MORE + 4, ID_EDU },
	{ "found-again", SLOT_MORE + 9, ID_EDU },
	{ "killed-early", SLOT_MORE + 5, ID_EDU },
	{ "killed-retrieved", SLOT_MORE + 6, ID_EDU },
	{ "killed-driving", SLOT_MORE + 7, ID_EDU },
	{ "killed-finished", SLOT_MORE + 8, ID_EDU },
	{ "early", SLOT_MORE + 10, ID_EDU },
};

#define DEVICES		(sizeof(devices) / sizeof(devices[0]))

/* Stage 1: each device has carried page 0 to page 1 of a memfd. */

static void preserve(int device, unsigned int index)
{
	int session = lu_create(device, devices[index].session);
	int memfd = memfd_create("buffer", 0);
	struct pci_name name;
	struct vfio vfio;

	NEED(session >= 0 && memfd >= 0);
	NEED(lu_fill(memfd, 0, PAGES * PAGE, index + 1));
	NEED(pci_find(devices[index].slot, devices[index].id, &name));
	NEED(pci_bind(name.bdf, "vfio-pci") == 0);
	NEED(vfio_open(&vfio, name.bdf) == 0);
	NEED(vfio_map_memfd(&vfio, memfd, PAGES * PAGE) == 0);
	if (devices[index].id == ID_EDU) {
		NEED(edu_start(&vfio) == 0);
		NEED(edu_copies_page(&vfio, memfd, 0, 1));
	}
	NEED(lu_preserve(session, vfio.fd, DEVICE_TOKEN) == 0);
	NEED(lu_preserve(session, memfd, MEMFD_TOKEN) == 0);
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);

	NEED(device >= 0);
	for (unsigned int i = 0; i < DEVICES; i++)
		preserve(device, i);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

/* Stage 2. */

/* Finds a device, and has vfio-pci bound to it. */
static bool bind(const char *session, struct pci_name *name)
{
	for (unsigned int i = 0; i < DEVICES; i++) {
		if (strcmp(devices[i].session, session))
			continue;
		return pci_find(devices[i].slot, devices[i].id, name) &&
		       pci_bind(name->bdf, "vfio-pci") == 0;
	}
	return false;
}

/* Whether nobody but the owner gets a device. */
static bool is_reserved(const struct pci_name *name)
{
	int iommufd = open("/dev/iommu", O_RDWR);
	int cdev = vfio_open_cdev(name->bdf);
	int group = vfio_open_by_group(name->bdf, iommufd);

	close(iommufd);
	return cdev == -EBUSY && group == -EBUSY;
}

/* Whether a retrieved device carries a page of a memfd to another one. */
static bool works(struct vfio *edu, int fd, int memfd, unsigned int from,
		  unsigned int to)
{
	return edu_take_over(edu, fd, memfd, PAGES * PAGE) == 0 &&
	       edu_copies_page(edu, memfd, from, to);
}

/* Whether anybody can open it, and it works. */
static bool is_ordinary(const struct pci_name *name)
{
	int memfd = memfd_create("another", 0);
	struct vfio edu;
	bool done;

	if (!lu_fill(memfd, 0, PAGES * PAGE, 99) || edu_open(&edu, name->bdf))
		return false;
	done = vfio_map_memfd(&edu, memfd, PAGES * PAGE) == 0 &&
	       edu_copies_page(&edu, memfd, 0, 1);
	vfio_close(&edu);
	close(memfd);
	return done;
}

FIXTURE(retrieved)
{
	int device;
};

FIXTURE_SETUP(retrieved)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(retrieved)
{
	close(self->device);
}

FIXTURE(path)
{
	int device;
};

FIXTURE_VARIANT(path)
{
	const char *session;
	unsigned int seed;
};

FIXTURE_VARIANT_ADD(path, behind_a_root_port)
{
	.session = "root-port",
	.seed = 1,
};

FIXTURE_VARIANT_ADD(path, behind_a_switch)
{
	.session = "switch",
	.seed = 2,
};

FIXTURE_SETUP(path)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(path)
{
	close(self->device);
}

FIXTURE(killed)
{
	int device;
};

FIXTURE_VARIANT(killed)
{
	const char *session;
	bool drives;
	bool finishes;
};

FIXTURE_VARIANT_ADD(killed, with_a_retrieved_device)
{
	.session = "killed-retrieved",
};

FIXTURE_VARIANT_ADD(killed, while_it_drives_the_device)
{
	.session = "killed-driving",
	.drives = true,
};

FIXTURE_VARIANT_ADD(killed, after_finish)
{
	.session = "killed-finished",
	.drives = true,
	.finishes = true,
};

FIXTURE_SETUP(killed)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(killed)
{
	close(self->device);
}

TEST_F(killed, an_owner_leaves_an_ordinary_device)
{
	struct pci_name name;
	int status;
	pid_t pid;

	ASSERT_TRUE(bind(variant->session, &name));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int session = lu_retrieve_session(self->device, variant->session);
		int memfd = lu_retrieve(session, MEMFD_TOKEN);
		int fd = lu_retrieve(session, DEVICE_TOKEN);
		struct vfio edu;

		if (fd < 0 || memfd < 0)
			_exit(1);
		if (variant->drives && !works(&edu, fd, memfd, 0, 2))
			_exit(2);
		if (variant->finishes && lu_finish(session, 0))
			_exit(3);
		kill(getpid(), SIGKILL);
		_exit(4);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(lu_retrieve_session(self->device, variant->session), -ENOENT);
	EXPECT_TRUE(is_ordinary(&name));
}

TEST_F(path, a_device_goes_on_with_the_memfd_that_came_with_it)
{
	int session = lu_retrieve_session(self->device, variant->session);
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct pci_name name;
	struct vfio edu;
	pid_t rescanning;
	int fd, memfd;

	ASSERT_TRUE(bind(variant->session, &name));
	ASSERT_TRUE(is_reserved(&name));
	ASSERT_GE(session, 0);
	/*
	 * That devices are looked for meanwhile changes nothing. But nobody must
	 * touch one then: QEMU before 8.1 may lose an access to it while another
	 * processor sets up a bridge.
	 */
	rescanning = pci_keep_rescanning();
	ASSERT_GE(rescanning, 0);
	fd = lu_retrieve(session, DEVICE_TOKEN);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	EXPECT_TRUE(pci_stop_rescanning(rescanning));
	ASSERT_GE(fd, 0);
	ASSERT_GE(memfd, 0);

	/* It is as if the character device had just been opened. */
	EXPECT_EQ(lu_ioctl(fd, VFIO_DEVICE_GET_INFO, &info), -EINVAL);
	/* What the device wrote before is there, and so is what it read. */
	EXPECT_EQ(lu_wrong(memfd, 0, PAGE, variant->seed), PAGE);
	EXPECT_TRUE(edu_same_pages(memfd, 0, 1));
	ASSERT_TRUE(works(&edu, fd, memfd, 0, 2));
	EXPECT_EQ(lu_ioctl(fd, VFIO_DEVICE_GET_INFO, &info), 0);

	/* Finishing does not disturb it. */
	rescanning = pci_keep_rescanning();
	ASSERT_GE(rescanning, 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_TRUE(pci_stop_rescanning(rescanning));
	EXPECT_TRUE(edu_copies_page(&edu, memfd, 2, 3));
	vfio_close(&edu);
	EXPECT_TRUE(is_ordinary(&name));
}

TEST_F(path, interrupts_can_be_configured_anew)
{
	struct pci_name name;
	struct vfio edu;
	int event;

	ASSERT_TRUE(bind(variant->session, &name));
	ASSERT_EQ(edu_open(&edu, name.bdf), 0);
	event = vfio_enable_msi(edu.fd);
	ASSERT_GE(event, 0);
	EXPECT_TRUE(edu_interrupts(&edu, event));
}

TEST_F(retrieved, a_session_is_not_finished_before_its_device_is_retrieved)
{
	int session = lu_retrieve_session(self->device, "refused");
	struct pci_name name;
	struct vfio edu;
	int fd, memfd;

	ASSERT_TRUE(bind("refused", &name));
	ASSERT_GE(session, 0);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	ASSERT_GE(memfd, 0);
	EXPECT_EQ(lu_finish(session, 0), -EBUSY);
	EXPECT_TRUE(is_reserved(&name));
	fd = lu_retrieve(session, DEVICE_TOKEN);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(works(&edu, fd, memfd, 0, 2));
	EXPECT_EQ(lu_finish(session, 0), 0);
	vfio_close(&edu);
	EXPECT_TRUE(is_ordinary(&name));
}

TEST_F(retrieved, a_device_retrieved_twice_is_the_same_open_file)
{
	int session = lu_retrieve_session(self->device, "twice");
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct pci_name name;
	struct vfio edu;
	int one, two, memfd;

	ASSERT_TRUE(bind("twice", &name));
	ASSERT_GE(session, 0);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	one = lu_retrieve(session, DEVICE_TOKEN);
	two = lu_retrieve(session, DEVICE_TOKEN);
	ASSERT_GE(one, 0);
	ASSERT_GE(two, 0);
	EXPECT_NE(one, two);
	/* What is done by one descriptor is seen by the other. */
	ASSERT_TRUE(works(&edu, one, memfd, 0, 2));
	EXPECT_EQ(lu_ioctl(two, VFIO_DEVICE_GET_INFO, &info), 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_EQ(lu_retrieve(session, DEVICE_TOKEN), -ENOENT);
}

TEST_F(retrieved, a_device_that_was_removed_is_gone)
{
	int session = lu_retrieve_session(self->device, "removed");
	struct pci_name name;
	int memfd;

	ASSERT_TRUE(bind("removed", &name));
	ASSERT_GE(session, 0);
	ASSERT_EQ(pci_write(name.bdf, "remove", "1"), 0);
	EXPECT_EQ(lu_retrieve(session, DEVICE_TOKEN), -ENODEV);
	EXPECT_EQ(lu_retrieve(session, DEVICE_TOKEN), -ENODEV);
	/* The rest of the session is not lost. */
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	EXPECT_EQ(lu_wrong(memfd, 0, PAGE, 6), PAGE);
	EXPECT_TRUE(edu_same_pages(memfd, 0, 1));
}

/* It may be another one: nobody has watched the slot. */
TEST_F(retrieved, a_device_that_was_removed_and_found_again_is_ordinary)
{
	int session = lu_retrieve_session(self->device, "found-again");
	struct pci_name name;

	ASSERT_TRUE(bind("found-again", &name));
	ASSERT_EQ(pci_write(name.bdf, "remove", "1"), 0);
	ASSERT_TRUE(lu_write_text(PCI_RESCAN, "1"));
	ASSERT_TRUE(bind("found-again", &name));
	EXPECT_FALSE(pci_is_bus_master(name.bdf));
	EXPECT_TRUE(is_ordinary(&name));
	ASSERT_GE(session, 0);
	EXPECT_EQ(lu_retrieve(session, DEVICE_TOKEN), -ENODEV);
}

TEST_F(retrieved, a_device_that_vfio_pci_does_not_have_yet_can_be_asked_for_again)
{
	int session = lu_retrieve_session(self->device, "early");
	struct pci_name name;
	struct vfio edu;
	int fd, memfd;

	ASSERT_GE(session, 0);
	EXPECT_EQ(lu_retrieve(session, DEVICE_TOKEN), -EAGAIN);
	EXPECT_EQ(lu_retrieve(session, DEVICE_TOKEN), -EAGAIN);
	EXPECT_EQ(lu_finish(session, 0), -EBUSY);
	ASSERT_TRUE(bind("early", &name));
	fd = lu_retrieve(session, DEVICE_TOKEN);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(works(&edu, fd, memfd, 0, 2));
	EXPECT_EQ(lu_finish(session, 0), 0);
}

TEST_F(retrieved, a_device_stays_reserved_while_vfio_pci_is_bound_anew)
{
	int session = lu_retrieve_session(self->device, "rebound");
	struct pci_name name;
	struct vfio edu;
	int fd, memfd;

	ASSERT_TRUE(bind("rebound", &name));
	ASSERT_EQ(pci_unbind(name.bdf), 0);
	ASSERT_TRUE(bind("rebound", &name));
	EXPECT_TRUE(is_reserved(&name));
	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, DEVICE_TOKEN);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(works(&edu, fd, memfd, 0, 2));
	EXPECT_EQ(lu_finish(session, 0), 0);
}

TEST_F(retrieved, an_owner_killed_before_it_had_its_device_is_followed_by_another)
{
	struct pci_name name;
	struct vfio edu;
	int session, status, fd, memfd;
	pid_t pid;

	ASSERT_TRUE(bind("killed-early", &name));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (lu_retrieve_session(self->device, "killed-early") < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
		_exit(2);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(is_reserved(&name));
	session = lu_retrieve_session(self->device, "killed-early");
	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, DEVICE_TOKEN);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(works(&edu, fd, memfd, 0, 2));
	EXPECT_EQ(lu_finish(session, 0), 0);
}

TEST_F(retrieved, a_device_is_preserved_again_after_finish_only)
{
	int session = lu_retrieve_session(self->device, "again");
	int next = lu_create(self->device, "next-update");
	struct pci_name name;
	struct vfio edu;
	int fd, memfd;

	ASSERT_TRUE(bind("again", &name));
	ASSERT_GE(session, 0);
	ASSERT_GE(next, 0);
	fd = lu_retrieve(session, DEVICE_TOKEN);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	ASSERT_GE(fd, 0);
	ASSERT_TRUE(works(&edu, fd, memfd, 0, 2));
	EXPECT_EQ(lu_preserve(next, fd, 1), -EBUSY);
	ASSERT_EQ(lu_finish(session, 0), 0);
	EXPECT_EQ(lu_preserve(next, fd, 1), 0);
	EXPECT_TRUE(edu_copies_page(&edu, memfd, 2, 3));
	close(next);
}

TEST_F(retrieved, no_other_driver_gets_a_device_before_finish)
{
	int session = lu_retrieve_session(self->device, "nvme");
	struct pci_name name;
	int fd;

	ASSERT_TRUE(pci_find(SLOT_NVME, ID_NVME, &name));
	/* It is built in, and would have had it since boot. */
	EXPECT_FALSE(pci_has_driver(name.bdf, "nvme"));
	EXPECT_LT(pci_bind(name.bdf, "nvme"), 0);
	EXPECT_FALSE(pci_has_driver(name.bdf, "nvme"));

	ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, DEVICE_TOKEN);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
	close(fd);
	EXPECT_EQ(pci_bind(name.bdf, "nvme"), 0);
	EXPECT_TRUE(WAIT_FOR(access("/dev/nvme0", F_OK) == 0));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
