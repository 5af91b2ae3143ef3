// SPDX-License-Identifier: GPL-2.0
/*
 * Live updates of running devices that are given up when those are frozen
 * already: their interrupts come after all, and nothing has to be set up again.
 * Run with "-s 1" before the live update and with "-s 2" after it. Both kernels
 * have vfio_pci_liveupdate.running=1.
 */

#include <sys/reboot.h>

#include "edu.h"
#include "nvme.h"
#include "lu_harness.h"

#define DEVICE_TOKEN	1
#define MEMFD_TOKEN	2
#define LINE_TOKEN	3
#define REFUSER_TOKEN	4
#define BETWEEN_TOKEN	100

/* Files between those that are frozen and the one that refuses: they take time. */
#define FILES_BETWEEN	1000

/* An edu device with a line. */
#define SLOT_LINE	SLOT_MORE

static int device;

static void refused_kexec(void)
{
	int err = reboot(RB_KEXEC);

	NEED(err == -1 && errno == EINVAL);
}

static void open_edu(unsigned int slot, struct vfio *edu, struct pci_name *name)
{
	NEED(pci_find(slot, ID_EDU, name));
	NEED(pci_bind(name->bdf, "vfio-pci") == 0);
	NEED(edu_open(edu, name->bdf) == 0);
}

/* A controller that works and has been heard. Gives the descriptor of its events. */
static int start_nvme(struct nvme *nvme, struct pci_name *name)
{
	int memfd = nvme_new_memory();
	int event;

	NEED(pci_find(SLOT_NVME, ID_NVME, name));
	NEED(pci_bind(name->bdf, "vfio-pci") == 0);
	NEED(vfio_open(&nvme->vfio, name->bdf) == 0);
	NEED(vfio_set_bus_master(nvme->vfio.fd) == 0);
	NEED(nvme_attach(nvme, name->bdf, memfd) == 0);
	event = vfio_enable_irqs(nvme->vfio.fd, VFIO_PCI_MSIX_IRQ_INDEX);
	NEED(event >= 0);
	NEED(nvme_enable(nvme) == 0);
	NEED(nvme_identifies(nvme) && vfio_event_came(event));
	return event;
}

/* What nobody has read before is there to be read after. */
static void keep_unread(const struct nvme *nvme, int event)
{
	nvme_submit(nvme);
	NEED(vfio_is_unread(event, PCI_DEADLINE_S * 1000));
	refused_kexec();
	NEED(vfio_events(event) == 1);
	NEED(nvme_reap(nvme));
}

/* A command that is completed by a frozen controller. */
static void complete_frozen(struct nvme *nvme, const char *bdf, int event)
{
	long end = pci_now() + PCI_DEADLINE_S;
	unsigned int rounds = 0;

	do {
		bool ended = false;
		int status;
		pid_t pid;

		nvme_queue_identify(nvme);
		pid = nvme_ring_when_frozen(nvme, bdf);
		NEED(pid > 0);
		while (!ended) {
			refused_kexec();
			ended = waitpid(pid, &status, WNOHANG) == pid;
		}
		NEED(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		NEED(vfio_wait_events(event) == 1);
		NEED(nvme_reap(nvme));
		rounds++;
	} while (nvme_driver(nvme)->note != NVME_RAN_FROZEN && pci_now() < end);
	printf("# frozen for long enough in round %u\n", rounds);
	NEED(nvme_driver(nvme)->note == NVME_RAN_FROZEN);
}

/* A vector that its user has masked stays so, and what is pending stays pending. */
static void keep_masked(const struct nvme *nvme, int event)
{
	NEED(nvme_mask(nvme, 0, true));
	nvme_submit(nvme);
	NEED(WAIT_FOR(nvme_is_pending(nvme, 0)));
	refused_kexec();
	NEED(nvme_is_pending(nvme, 0));
	NEED(vfio_events(event) == 0);
	NEED(nvme_mask(nvme, 0, false));
	NEED(vfio_event_came(event));
	NEED(nvme_reap(nvme));
}

static bool line_is_disabled(const char *bdf)
{
	long command = pci_config(bdf, PCI_COMMAND, 2);

	return command >= 0 && command & PCI_COMMAND_INTX_DISABLE;
}

/* A line that has interrupted is masked until its user has served the device. */
static void keep_line(const struct vfio *edu, const char *bdf, int event)
{
	*edu_reg(edu, EDU_RAISE_IRQ) = 1;
	NEED(vfio_event_came(event));
	refused_kexec();
	NEED(vfio_events(event) == 0 && line_is_disabled(bdf));
	*edu_reg(edu, EDU_ACKNOWLEDGE_IRQ) = 1;
	NEED(vfio_unmask_irqs(edu->fd, VFIO_PCI_INTX_IRQ_INDEX) == 0);
	NEED(vfio_events(event) == 0 && !line_is_disabled(bdf));

	/* One that has not interrupted can. */
	refused_kexec();
	NEED(!line_is_disabled(bdf));
	NEED(edu_interrupts(edu, event));
	NEED(vfio_unmask_irqs(edu->fd, VFIO_PCI_INTX_IRQ_INDEX) == 0);
}

static int prepare(void)
{
	int session, event, line_event, refuser_event;
	struct vfio line, refuser;
	struct pci_name name, line_name, refuser_name;
	struct nvme nvme;

	device = open(LU_DEVICE, O_RDWR);
	NEED(device >= 0 && lu_allow_fds(16 + FILES_BETWEEN) == 0);
	event = start_nvme(&nvme, &name);
	open_edu(SLOT_LINE, &line, &line_name);
	line_event = vfio_enable_irqs(line.fd, VFIO_PCI_INTX_IRQ_INDEX);
	NEED(line_event >= 0);
	open_edu(SLOT_EDU, &refuser, &refuser_name);
	refuser_event = vfio_enable_msi(refuser.fd);
	NEED(refuser_event >= 0);

	session = lu_create(device, "passing");
	NEED(lu_preserve(session, nvme.vfio.fd, DEVICE_TOKEN) == 0);
	NEED(lu_preserve(session, line.fd, LINE_TOKEN) == 0);
	for (int i = 0; i < FILES_BETWEEN; i++) {
		int between = memfd_create("between", 0);

		NEED(between >= 0);
		NEED(lu_preserve(session, between, BETWEEN_TOKEN + i) == 0);
		close(between);
	}
	NEED(lu_preserve(session, refuser.fd, REFUSER_TOKEN) == 0);

	/* A device with MSI, which knows neither a mask nor what is pending. */
	refused_kexec();
	NEED(edu_interrupts(&refuser, refuser_event));
	NEED(nvme_identifies(&nvme) && vfio_event_came(event));
	keep_unread(&nvme, event);
	complete_frozen(&nvme, name.bdf, event);
	keep_masked(&nvme, event);
	keep_line(&line, line_name.bdf, line_event);
	NEED(edu_interrupts(&refuser, refuser_event));
	NEED(nvme_identifies(&nvme) && vfio_event_came(event));
	close(session);

	session = lu_create(device, "kept");
	NEED(lu_preserve(session, nvme.vfio.fd, DEVICE_TOKEN) == 0);
	NEED(lu_preserve(session, nvme.memfd, MEMFD_TOKEN) == 0);
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

/* Stage 2. */

TEST(what_was_heard_before_is_not_told_again)
{
	int lu = open(LU_DEVICE, O_RDWR);
	int session = lu_retrieve_session(lu, "kept");
	struct pci_name name;
	struct nvme nvme;
	int fd, memfd, event;

	ASSERT_TRUE(pci_find(SLOT_NVME, ID_NVME, &name));
	ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, DEVICE_TOKEN);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	ASSERT_GE(fd, 0);
	ASSERT_GE(memfd, 0);
	ASSERT_EQ(vfio_connect(&nvme.vfio, fd), 0);
	ASSERT_EQ(nvme_attach(&nvme, name.bdf, memfd), 0);
	ASSERT_EQ(vfio_set_bus_master(fd), 0);
	event = vfio_enable_irqs(fd, VFIO_PCI_MSIX_IRQ_INDEX);
	ASSERT_GE(event, 0);
	EXPECT_EQ(vfio_events(event), 0);
	EXPECT_TRUE(nvme_identifies(&nvme));
	EXPECT_EQ(vfio_wait_events(event), 1);
	EXPECT_EQ(lu_finish(session, 0), 0);
	EXPECT_EQ(lu_retrieve_session(lu, "passing"), -ENOENT);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
