// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that are handed over as they run: they go on where they were, and what
 * they had to say meanwhile is heard. Run with "-s 1" before the live update and
 * with "-s 2" after it. The kernel before has vfio_pci_liveupdate.running=1.
 */

#include "edu.h"
#include "nvme.h"
#include "lu_harness.h"

#define DEVICE_TOKEN	1
#define MEMFD_TOKEN	2
#define BETWEEN_TOKEN	100

/* Edu devices, of which QEMU's wiring gives the second the line of the first. */
#define SLOT_LINE	(SLOT_MORE + 6)
#define SLOT_SAME_LINE	(SLOT_MORE + 10)

/* Files to be frozen after a device, which takes time. */
#define FILES_BETWEEN	1000

/* The first has something to say, the other never. */
#define VECTORS		2

/* A session for each NVMe controller, and where it is. */
static const struct {
	const char *session;
	unsigned int slot;
} controllers[] = {
	/* The first one to be frozen. */
	{ "frozen", SLOT_NVME },
	{ "quiet", SLOT_MORE },
	{ "unread", SLOT_MORE + 1 },
	{ "pending", SLOT_MORE + 2 },
	{ "pending-no-master", SLOT_MORE + 3 },
	{ "unbound", SLOT_MORE + 4 },
	{ "killed", SLOT_MORE + 5 },
	{ "early", SLOT_MORE + 7 },
};

#define CONTROLLERS	(sizeof(controllers) / sizeof(controllers[0]))

static bool find(const char *session, struct pci_name *name)
{
	for (unsigned int i = 0; i < CONTROLLERS; i++)
		if (!strcmp(controllers[i].session, session))
			return pci_find(controllers[i].slot, ID_NVME, name) &&
			       pci_bind(name->bdf, "vfio-pci") == 0;
	return false;
}

static int set_vectors(const struct nvme *nvme, int *events)
{
	for (int i = 0; i < VECTORS; i++) {
		events[i] = syscall(__NR_eventfd2, 0, 0);
		if (events[i] < 0)
			return -errno;
	}
	return vfio_set_vectors(nvme->vfio.fd, VFIO_PCI_MSIX_IRQ_INDEX, events,
				VECTORS);
}

/* Stage 1. */

/* A controller that has done something, and been heard. */
static int preserve(int device, const char *session_name, struct nvme *nvme,
		    int *events)
{
	int session = lu_create(device, session_name);
	int memfd = nvme_new_memory();
	struct pci_name name;

	NEED(session >= 0 && memfd >= 0);
	NEED(find(session_name, &name));
	NEED(vfio_open(&nvme->vfio, name.bdf) == 0);
	NEED(vfio_set_bus_master(nvme->vfio.fd) == 0);
	NEED(nvme_attach(nvme, name.bdf, memfd) == 0);
	NEED(set_vectors(nvme, events) == 0);
	NEED(nvme_enable(nvme) == 0);
	NEED(nvme_identifies(nvme));
	NEED(vfio_wait_events(events[0]) == 1);
	NEED(lu_preserve(session, nvme->vfio.fd, DEVICE_TOKEN) == 0);
	NEED(lu_preserve(session, memfd, MEMFD_TOKEN) == 0);
	return session;
}

/* It completes a command between being frozen and being stopped. */
static void preserve_frozen(int device)
{
	int events[VECTORS];
	struct pci_name name;
	struct nvme nvme;
	int session = preserve(device, "frozen", &nvme, events);

	for (int i = 0; i < FILES_BETWEEN; i++) {
		int between = memfd_create("between", 0);

		NEED(between >= 0);
		NEED(lu_preserve(session, between, BETWEEN_TOKEN + i) == 0);
		close(between);
	}
	NEED(find("frozen", &name));
	nvme_queue_identify(&nvme);
	NEED(nvme_ring_when_frozen(&nvme, name.bdf) > 0);
}

/* It has completed a command, and the event is there, but nobody has read it. */
static void preserve_unread(int device)
{
	int events[VECTORS];
	struct nvme nvme;

	preserve(device, "unread", &nvme, events);
	nvme_submit(&nvme);
	NEED(vfio_is_unread(events[0], PCI_DEADLINE_S * 1000));
}

/* It has completed a command, and cannot say so. */
static void preserve_pending(int device, const char *session)
{
	int events[VECTORS];
	struct nvme nvme;

	preserve(device, session, &nvme, events);
	NEED(nvme_mask(&nvme, 0, true));
	nvme_submit(&nvme);
	NEED(WAIT_FOR(nvme_is_pending(&nvme, 0)));
	NEED(!nvme_is_pending(&nvme, 1));
	NEED(vfio_events(events[0]) == 0);
}

/* Its line is asserted, which has been heard, but not served. */
static void preserve_line(int device, const char *session_name,
			  unsigned int slot)
{
	int session = lu_create(device, session_name);
	struct pci_name name;
	struct vfio edu;
	int event;

	NEED(session >= 0);
	NEED(pci_find(slot, ID_EDU, &name));
	NEED(pci_bind(name.bdf, "vfio-pci") == 0);
	NEED(edu_open(&edu, name.bdf) == 0);
	event = vfio_enable_irqs(edu.fd, VFIO_PCI_INTX_IRQ_INDEX);
	NEED(event >= 0);
	*edu_reg(&edu, EDU_RAISE_IRQ) = 1;
	NEED(vfio_event_came(event));
	NEED(lu_preserve(session, edu.fd, DEVICE_TOKEN) == 0);
}

static int prepare(void)
{
	int device = open(LU_DEVICE, O_RDWR);
	int events[VECTORS];
	struct nvme nvme;

	NEED(device >= 0 && lu_allow_fds(128 + FILES_BETWEEN) == 0);
	preserve_frozen(device);
	preserve(device, "quiet", &nvme, events);
	preserve_unread(device);
	preserve_pending(device, "pending");
	preserve_pending(device, "pending-no-master");
	preserve(device, "unbound", &nvme, events);
	preserve(device, "killed", &nvme, events);
	preserve(device, "early", &nvme, events);
	preserve_line(device, "line", SLOT_EDU);
	preserve_line(device, "shared-line", SLOT_LINE);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

/* Stage 2. */

/* Has a retrieved controller, as it is, under the new owner's control. */
static int take_over(struct nvme *nvme, const char *bdf, int fd, int memfd)
{
	int err = vfio_connect(&nvme->vfio, fd);

	return err ? err : nvme_attach(nvme, bdf, memfd);
}

/* Whether an ordinary owner gets it without what it was doing. */
static bool is_reset(const struct pci_name *name)
{
	struct nvme nvme;
	bool reset;

	if (nvme_open(&nvme.vfio, name->bdf))
		return false;
	reset = !nvme_is_enabled(&nvme);
	vfio_close(&nvme.vfio);
	return reset;
}

FIXTURE(running)
{
	int device;
};

FIXTURE_SETUP(running)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(running)
{
	close(self->device);
}

TEST_F(running, a_controller_goes_on_where_it_was)
{
	int session = lu_retrieve_session(self->device, "quiet");
	int events[VECTORS], fd, memfd;
	struct pci_name name;
	struct nvme nvme;

	ASSERT_TRUE(find("quiet", &name));
	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, DEVICE_TOKEN);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	ASSERT_GE(fd, 0);
	ASSERT_GE(memfd, 0);
	/* An ordinary device is reset when it is bound, so that comes before. */
	EXPECT_EQ(lu_finish(session, 0), -EBUSY);
	ASSERT_EQ(take_over(&nvme, name.bdf, fd, memfd), 0);
	EXPECT_TRUE(nvme_is_enabled(&nvme));
	EXPECT_TRUE(nvme_is_ready(&nvme));
	EXPECT_FALSE(pci_is_bus_master(name.bdf));
	ASSERT_EQ(vfio_set_bus_master(fd), 0);

	/* It has nothing to say. */
	ASSERT_EQ(set_vectors(&nvme, events), 0);
	EXPECT_EQ(vfio_events(events[0]), 0);
	EXPECT_EQ(vfio_events(events[1]), 0);

	/* Once around the queues, which nobody has set up again. */
	for (unsigned int i = 0; i <= NVME_ENTRIES; i++) {
		ASSERT_TRUE(nvme_identifies(&nvme));
		EXPECT_EQ(vfio_wait_events(events[0]), 1);
	}
	EXPECT_EQ(vfio_events(events[1]), 0);
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_TRUE(nvme_identifies(&nvme));
	EXPECT_EQ(vfio_wait_events(events[0]), 1);
	EXPECT_TRUE(nvme_is_ready(&nvme));
	vfio_close(&nvme.vfio);
	EXPECT_TRUE(is_reset(&name));
}

FIXTURE(told)
{
	int device;
};

FIXTURE_VARIANT(told)
{
	const char *session;
	bool master;
	/* It is given something to do before its vectors are configured. */
	bool early;
	/* A bus master says itself, too, what its owner is told, sooner or later. */
	unsigned int at_most;
};

FIXTURE_VARIANT_ADD(told, of_an_event_that_nobody_has_read)
{
	.session = "unread",
	.master = true,
	.at_most = 1,
};

FIXTURE_VARIANT_ADD(told, of_what_is_pending)
{
	.session = "pending",
	.master = true,
	.at_most = 2,
};

FIXTURE_VARIANT_ADD(told, of_what_is_pending_in_no_bus_master)
{
	.session = "pending-no-master",
	.at_most = 1,
};

FIXTURE_VARIANT_ADD(told, of_what_became_pending_while_it_was_frozen)
{
	.session = "frozen",
	.at_most = 1,
};

FIXTURE_VARIANT_ADD(told, of_what_was_done_before_vectors_were_configured)
{
	.session = "early",
	.master = true,
	.early = true,
	.at_most = 2,
};

FIXTURE_SETUP(told)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(told)
{
	close(self->device);
}

TEST_F(told, an_owner_is)
{
	int session = lu_retrieve_session(self->device, variant->session);
	int events[VECTORS], fd, memfd;
	struct pci_name name;
	struct nvme nvme;
	__u64 count;

	ASSERT_TRUE(find(variant->session, &name));
	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, DEVICE_TOKEN);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	ASSERT_GE(fd, 0);
	ASSERT_GE(memfd, 0);
	ASSERT_EQ(take_over(&nvme, name.bdf, fd, memfd), 0);
	if (!strcmp(variant->session, "frozen"))
		ASSERT_EQ(nvme_driver(&nvme)->note, NVME_RAN_FROZEN);
	if (variant->master)
		ASSERT_EQ(vfio_set_bus_master(fd), 0);
	if (variant->early)
		nvme_submit(&nvme);
	ASSERT_TRUE(WAIT_FOR(nvme_has_completed(&nvme)));
	if (variant->early)
		ASSERT_TRUE(WAIT_FOR(nvme_is_pending(&nvme, 0)));
	ASSERT_EQ(set_vectors(&nvme, events), 0);
	count = vfio_events(events[0]);
	EXPECT_GE(count, 1);
	EXPECT_LE(count, variant->at_most);
	EXPECT_EQ(vfio_events(events[1]), 0);

	ASSERT_EQ(vfio_set_bus_master(fd), 0);
	EXPECT_TRUE(nvme_is_ready(&nvme));
	EXPECT_TRUE(nvme_reap(&nvme));
	/* It is not told again when vectors are configured anew. */
	if (variant->at_most == 1) {
		ASSERT_EQ(vfio_disable_irqs(fd, VFIO_PCI_MSIX_IRQ_INDEX), 0);
		ASSERT_EQ(set_vectors(&nvme, events), 0);
		EXPECT_EQ(vfio_events(events[0]), 0);
	}
	EXPECT_TRUE(nvme_identifies(&nvme));
	count = vfio_wait_events(events[0]);
	EXPECT_GE(count, 1);
	EXPECT_LE(count, variant->at_most);
	EXPECT_EQ(vfio_events(events[1]), 0);
}

/* Takes over an edu device whose line is asserted. */
static int take_over_line(int session, unsigned int slot, struct vfio *edu)
{
	struct pci_name name;
	int fd, err;

	if (!pci_find(slot, ID_EDU, &name))
		return -ENODEV;
	err = pci_bind(name.bdf, "vfio-pci");
	if (err)
		return err;
	fd = lu_retrieve(session, DEVICE_TOKEN);
	if (fd < 0)
		return fd;
	err = vfio_connect(edu, fd);
	if (!err)
		err = edu_start(edu);
	return err ? err : *edu_reg(edu, EDU_IRQ_STATUS) == 1 ? 0 : -EIO;
}

/* Whether the device is heard, served, and then heard again. */
static bool line_works(struct vfio *edu)
{
	int event = vfio_enable_irqs(edu->fd, VFIO_PCI_INTX_IRQ_INDEX);

	if (event < 0 || vfio_wait_events(event) != 1)
		return false;
	*edu_reg(edu, EDU_ACKNOWLEDGE_IRQ) = 1;
	return vfio_unmask_irqs(edu->fd, VFIO_PCI_INTX_IRQ_INDEX) == 0 &&
	       vfio_events(event) == 0 && edu_interrupts(edu, event);
}

TEST_F(running, a_line_that_is_asserted_interrupts)
{
	int session = lu_retrieve_session(self->device, "line");
	struct vfio edu;

	ASSERT_GE(session, 0);
	ASSERT_EQ(take_over_line(session, SLOT_EDU, &edu), 0);
	EXPECT_TRUE(line_works(&edu));
	EXPECT_EQ(lu_finish(session, 0), 0);
}

/*
 * Without a handler for it, it would interrupt over and over, until the kernel
 * took the line from all who share it.
 */
TEST_F(running, a_line_that_is_asserted_is_left_to_those_who_share_it)
{
	int session = lu_retrieve_session(self->device, "shared-line");
	struct vfio edu, neighbour;
	struct pci_name name;
	int event;

	ASSERT_TRUE(pci_find(SLOT_SAME_LINE, ID_EDU, &name));
	ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
	ASSERT_EQ(edu_open(&neighbour, name.bdf), 0);
	event = vfio_enable_irqs(neighbour.fd, VFIO_PCI_INTX_IRQ_INDEX);
	ASSERT_GE(event, 0);

	ASSERT_GE(session, 0);
	ASSERT_EQ(take_over_line(session, SLOT_LINE, &edu), 0);
	EXPECT_TRUE(edu_interrupts(&neighbour, event));
	EXPECT_EQ(vfio_unmask_irqs(neighbour.fd, VFIO_PCI_INTX_IRQ_INDEX), 0);

	EXPECT_TRUE(line_works(&edu));
	EXPECT_EQ(lu_finish(session, 0), 0);
}

/* Has a process retrieve a device, bind it if it should, and die. */
static bool die_with(int device, const char *session_name, const char *bdf,
		     bool binds)
{
	struct nvme nvme;
	int status;
	pid_t pid = fork();

	if (!pid) {
		int session = lu_retrieve_session(device, session_name);
		int fd = lu_retrieve(session, DEVICE_TOKEN);
		int memfd = lu_retrieve(session, MEMFD_TOKEN);

		if (fd < 0 || memfd < 0)
			_exit(1);
		if (binds && (take_over(&nvme, bdf, fd, memfd) ||
			      vfio_set_bus_master(fd) || !nvme_identifies(&nvme)))
			_exit(2);
		kill(getpid(), SIGKILL);
		_exit(3);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

TEST_F(running, a_controller_that_its_owner_never_bound_waits_for_another_owner)
{
	struct pci_name name;
	struct nvme nvme;
	int session;

	ASSERT_TRUE(find("unbound", &name));
	ASSERT_TRUE(die_with(self->device, "unbound", name.bdf, false));
	EXPECT_EQ(vfio_open_cdev(name.bdf), -EBUSY);
	session = lu_retrieve_session(self->device, "unbound");
	ASSERT_GE(session, 0);
	ASSERT_EQ(take_over(&nvme, name.bdf, lu_retrieve(session, DEVICE_TOKEN),
			    lu_retrieve(session, MEMFD_TOKEN)), 0);
	ASSERT_EQ(vfio_set_bus_master(nvme.vfio.fd), 0);
	EXPECT_TRUE(nvme_identifies(&nvme));
	EXPECT_EQ(lu_finish(session, 0), 0);
}

/* Nobody gets what it was doing. */
TEST_F(running, a_controller_whose_owner_died_is_reset)
{
	struct pci_name name;

	ASSERT_TRUE(find("killed", &name));
	ASSERT_TRUE(die_with(self->device, "killed", name.bdf, true));
	EXPECT_EQ(lu_retrieve_session(self->device, "killed"), -ENOENT);
	EXPECT_TRUE(is_reset(&name));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
