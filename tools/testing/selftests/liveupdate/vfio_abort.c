// SPDX-License-Identifier: GPL-2.0
/*
 * Live updates that a VFIO device refuses, and those that are given up when one
 * is frozen already: its owner then goes on as if nothing had happened. Run with
 * "-s 1" before the live update and with "-s 2" after it.
 */

#include <sys/reboot.h>

#include "edu.h"
#include "nvme.h"
#include "lu_harness.h"

#define PAGES		4
#define DEVICE_TOKEN	1
#define MEMFD_TOKEN	2

/* Files between the one that is frozen and the one that refuses: they take time. */
#define FILES_BETWEEN	1000

/* What a frozen device has refused. */
#define SAW_IOCTL	1
#define SAW_READ	2
#define SAW_WRITE	4
#define SAW_MMAP	8
#define SAW_ALL		15

/* Shared with the processes that watch the device being frozen. */
struct watch {
	volatile unsigned int refused;
	volatile int unexpected;
	volatile int over;
	/* Found out before anything is frozen. */
	struct vfio_region_info config;
	struct vfio_region_info bar;
};

static int device;

/* Stage 1. */

static void refused_kexec(int error)
{
	int err = reboot(RB_KEXEC);

	NEED(err == -1 && errno == error);
}

static void open_edu(unsigned int slot, struct vfio *edu, int memfd)
{
	struct pci_name name;

	NEED(pci_find(slot, ID_EDU, &name));
	NEED(pci_bind(name.bdf, "vfio-pci") == 0);
	NEED(edu_open(edu, name.bdf) == 0);
	NEED(vfio_map_memfd(edu, memfd, PAGES * PAGE) == 0);
}

static int new_memfd(unsigned int seed)
{
	int memfd = memfd_create("buffer", 0);

	NEED(memfd >= 0 && lu_fill(memfd, 0, PAGES * PAGE, seed));
	return memfd;
}

/* A device that may interrupt. */
static void refuse_interrupts(const struct vfio *edu, int memfd)
{
	int event = vfio_enable_msi(edu->fd);

	NEED(event >= 0);
	refused_kexec(EINVAL);
	NEED(edu_interrupts(edu, event));
	NEED(edu_copies_page(edu, memfd, 0, 1));
	NEED(vfio_disable_irqs(edu->fd, VFIO_PCI_MSI_IRQ_INDEX) == 0);

	NEED(vfio_set_irqs(edu->fd, VFIO_PCI_INTX_IRQ_INDEX, event) == 0);
	refused_kexec(EINVAL);
	NEED(edu_interrupts(edu, event));
	NEED(vfio_disable_irqs(edu->fd, VFIO_PCI_INTX_IRQ_INDEX) == 0);
	close(event);
}

/* A device that is asleep. */
static void refuse_sleeper(void)
{
	int session = lu_create(device, "sleeper");
	struct pci_name name;
	struct vfio nvme;

	NEED(pci_find(SLOT_NVME, ID_NVME, &name));
	NEED(pci_bind(name.bdf, "vfio-pci") == 0);
	NEED(nvme_open(&nvme, name.bdf) == 0);
	NEED(lu_preserve(session, nvme.fd, DEVICE_TOKEN) == 0);
	NEED(vfio_set_power_state(nvme.fd, name.bdf, PM_D3HOT) == 0);
	refused_kexec(EINVAL);
	NEED(vfio_set_power_state(nvme.fd, name.bdf, PM_D0) == 0);
	NEED(nvme_is_alive(&nvme));
	close(session);
	vfio_close(&nvme);
}

/*
 * A device that somebody is removing, who waits for the session to let go of it. To
 * shut it down would be to wait for him.
 */
static void refuse_leaving(void)
{
	int session = lu_create(device, "leaving"), memfd = new_memfd(2), event, status;
	struct pci_name name;
	struct vfio edu;
	pid_t pid;

	open_edu(SLOT_SWITCH, &edu, memfd);
	NEED(pci_find(SLOT_SWITCH, ID_EDU, &name));
	event = vfio_enable_irqs(edu.fd, VFIO_PCI_REQ_IRQ_INDEX);
	NEED(event >= 0 && lu_preserve(session, edu.fd, DEVICE_TOKEN) == 0);
	pid = fork();
	NEED(pid >= 0);
	if (!pid) {
		close(session);
		vfio_close(&edu);
		_exit(pci_write(name.bdf, "remove", "1") ? 1 : 0);
	}
	/* Its owner is asked to let go of it. */
	NEED(vfio_event_came(event));
	refused_kexec(EBUSY);
	NEED(edu_copies_page(&edu, memfd, 0, 1));
	close(session);
	vfio_close(&edu);
	NEED(waitpid(pid, &status, 0) == pid && status == 0);
	NEED(lu_write_text(PCI_RESCAN, "1"));
	close(event);
	close(memfd);
}

static void note(struct watch *watch, long err, unsigned int what)
{
	if (err == -EIO)
		watch->refused |= what;
	else if (err < 0)
		watch->unexpected = err;
}

/* Calls a device until it has refused everything, then dies with it open. */
static void call_until_refused(const struct vfio *edu, struct watch *watch)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	__u16 command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	while (watch->refused != SAW_ALL && !watch->over) {
		off_t at = watch->config.offset + PCI_COMMAND;
		long done;
		void *map;

		note(watch, lu_ioctl(edu->fd, VFIO_DEVICE_GET_INFO, &info),
		     SAW_IOCTL);
		done = syscall(__NR_pread64, edu->fd, &command, 2, at);
		note(watch, done < 0 ? -errno : 0, SAW_READ);
		done = syscall(__NR_pwrite64, edu->fd, &command, 2, at);
		note(watch, done < 0 ? -errno : 0, SAW_WRITE);
		map = mmap(NULL, watch->bar.size, PROT_READ, MAP_SHARED, edu->fd,
			   watch->bar.offset);
		note(watch, map == MAP_FAILED ? -errno : 0, SAW_MMAP);
		if (map != MAP_FAILED)
			munmap(map, watch->bar.size);
	}
	kill(getpid(), SIGKILL);
}

/* Looks into its BAR for as long as it is there. */
static void look_until_gone(const struct vfio *edu, struct watch *watch)
{
	while (!watch->over)
		(void)*edu_reg(edu, EDU_IDENTITY);
	_exit(0);
}

static pid_t start(void (*watcher)(const struct vfio *, struct watch *),
		   const struct vfio *edu, struct watch *watch)
{
	pid_t pid = fork();

	NEED(pid >= 0);
	if (pid)
		return pid;
	watcher(edu, watch);
	_exit(1);
}

static bool ended_by(pid_t pid, int signal, bool *ended)
{
	int status;

	if (*ended)
		return true;
	if (waitpid(pid, &status, WNOHANG) != pid)
		return false;
	NEED(WIFSIGNALED(status) && WTERMSIG(status) == signal);
	*ended = true;
	return true;
}

/* The owner is refused everything while the device is frozen, and has it again. */
static void freeze_and_thaw(int session, const struct vfio *edu, int memfd)
{
	struct watch *watch = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool called = false, looked = false;
	int buffer = new_memfd(3);
	pid_t caller, looker;
	struct vfio other;
	int event;
	long end = pci_now() + PCI_DEADLINE_S;

	NEED(watch != MAP_FAILED && lu_allow_fds(16 + FILES_BETWEEN) == 0);
	NEED(vfio_region(edu->fd, VFIO_PCI_CONFIG_REGION_INDEX, &watch->config) == 0);
	NEED(vfio_region(edu->fd, 0, &watch->bar) == 0);
	for (int i = 0; i < FILES_BETWEEN; i++) {
		int between = memfd_create("between", 0);

		NEED(between >= 0 && lu_preserve(session, between, 100 + i) == 0);
		close(between);
	}
	open_edu(SLOT_SWITCH, &other, buffer);
	event = vfio_enable_msi(other.fd);
	NEED(event >= 0);
	NEED(lu_preserve(session, other.fd, 3) == 0);

	caller = start(call_until_refused, edu, watch);
	looker = start(look_until_gone, edu, watch);
	do {
		refused_kexec(EINVAL);
	} while (!(ended_by(caller, SIGKILL, &called) &
		   ended_by(looker, SIGBUS, &looked)) && pci_now() < end);
	watch->over = true;
	printf("# refused: %x, unexpected error: %d, BAR %s\n", watch->refused,
	       watch->unexpected, looked ? "gone" : "never gone");
	NEED(watch->refused == SAW_ALL && !watch->unexpected && looked);

	/* Nothing is set up anew here. */
	NEED(edu_is_alive(edu) && edu_copies_page(edu, memfd, 1, 2));
	NEED(edu_is_alive(&other) && edu_copies_page(&other, buffer, 0, 1));
	NEED(edu_interrupts(&other, event));
	NEED(lu_preserve(session, edu->fd, 99) == -EBUSY);
	NEED(vfio_disable_irqs(other.fd, VFIO_PCI_MSI_IRQ_INDEX) == 0);
}

static int prepare(void)
{
	int session, passing, dmabuf, memfd = new_memfd(1);
	struct vfio edu;

	device = open(LU_DEVICE, O_RDWR);
	NEED(device >= 0);
	session = lu_create(device, "kept");
	open_edu(SLOT_EDU, &edu, memfd);
	NEED(lu_preserve(session, edu.fd, DEVICE_TOKEN) == 0);
	NEED(lu_preserve(session, memfd, MEMFD_TOKEN) == 0);
	refuse_interrupts(&edu, memfd);
	refuse_sleeper();
	close(session);
	refuse_leaving();

	dmabuf = vfio_export_bar(edu.fd, 0);
	NEED(dmabuf >= 0);
	NEED(vfio_map_file(&edu, dmabuf, PAGE, IOVA_DMABUF) == 0);
	NEED(edu_reaches_its_bar(&edu, memfd, 2));
	passing = lu_create(device, "passing");
	NEED(lu_preserve(passing, edu.fd, DEVICE_TOKEN) == 0);
	freeze_and_thaw(passing, &edu, memfd);
	close(passing);
	/* An iommufd does not map a dma-buf again that was taken from it. */
	NEED(vfio_unmap(&edu, IOVA_DMABUF, PAGE) == 0);
	NEED(vfio_map_file(&edu, dmabuf, PAGE, IOVA_DMABUF) == 0);
	NEED(edu_reaches_its_bar(&edu, memfd, 2));

	session = lu_create(device, "kept");
	NEED(lu_preserve(session, edu.fd, DEVICE_TOKEN) == 0);
	NEED(lu_preserve(session, memfd, MEMFD_TOKEN) == 0);
	NEED(edu_copies_page(&edu, memfd, 2, 3));
	NEED(lu_fill(memfd, 0, PAGE, 9));
	printf("# prepared\n");
	lu_hold_sessions();
	return 1;
}

/* Stage 2. */

FIXTURE(after_aborts)
{
	int device;
};

FIXTURE_SETUP(after_aborts)
{
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
}

FIXTURE_TEARDOWN(after_aborts)
{
	close(self->device);
}

TEST_F(after_aborts, the_device_comes_along_and_works)
{
	int session = lu_retrieve_session(self->device, "kept");
	struct pci_name name;
	struct vfio edu;
	int fd, memfd;

	ASSERT_TRUE(pci_find(SLOT_EDU, ID_EDU, &name));
	ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
	ASSERT_GE(session, 0);
	fd = lu_retrieve(session, DEVICE_TOKEN);
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	ASSERT_GE(fd, 0);
	ASSERT_GE(memfd, 0);
	ASSERT_EQ(edu_take_over(&edu, fd, memfd, PAGES * PAGE), 0);
	EXPECT_EQ(lu_wrong(memfd, 0, PAGE, 9), PAGE);
	EXPECT_TRUE(edu_copies_page(&edu, memfd, 0, 1));
	EXPECT_EQ(lu_finish(session, 0), 0);
}

TEST_F(after_aborts, what_was_given_up_does_not)
{
	struct pci_name name;
	struct vfio edu;

	EXPECT_EQ(lu_retrieve_session(self->device, "passing"), -ENOENT);
	EXPECT_EQ(lu_retrieve_session(self->device, "sleeper"), -ENOENT);
	ASSERT_TRUE(pci_find(SLOT_SWITCH, ID_EDU, &name));
	ASSERT_EQ(pci_bind(name.bdf, "vfio-pci"), 0);
	EXPECT_EQ(edu_open(&edu, name.bdf), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return prepare();
	return test_harness_run(1, argv);
}
