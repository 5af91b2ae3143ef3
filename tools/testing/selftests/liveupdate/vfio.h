/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver in userspace: finds a PCI device, has vfio-pci bound to it, opens it,
 * and moves data with it. For QEMU's edu device, mostly.
 *
 * Functions return -errno or something that is not negative. What waits has a
 * deadline.
 */

#ifndef SELFTESTS_LIVEUPDATE_VFIO_H
#define SELFTESTS_LIVEUPDATE_VFIO_H

#include "lu_test.h"

#include <dirent.h>
#include <time.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

/* Where tests/vfio.rs of the VM harness puts devices: slots of bus 0. */
#define SLOT_EDU	4
#define SLOT_SWITCH	5
#define SLOT_NVME	6
#define SLOT_TESTDEV	7
/* More edu devices, as many as a test needs. */
#define SLOT_MORE	8

/* The root port of domain 1, where there is one. */
#define PORT_DOMAIN_1	"0001:40:00.0"

/* The vendor in the lower half, as configuration space has it. */
#define ID_EDU		0x11e81234
#define ID_NVME		0x00101b36
#define ID_TESTDEV	0x00051b36

#define PCI_DEVICES	"/sys/bus/pci/devices"
#define PCI_DRIVERS	"/sys/bus/pci/drivers"
#define PCI_PATH	128

/* What a register of the PM capability calls the states. */
#define PM_D0		0
#define PM_D3HOT	3

/* "0000:00:00.0", and some room. */
#define BDF_LENGTH	16

/* For what takes a tenth of a second on an idle machine. */
#define VFIO_DEADLINE_S	60

/* A device is not given addresses beyond 256 MiB: edu has 28 lines for them. */
#define IOVA		0x1000000UL
#define IOVA_DMABUF	0x2000000UL

struct pci_name {
	char bdf[BDF_LENGTH];
};

/* An open device, in an address space of its own. */
struct vfio {
	int fd;
	int iommufd;
	__u32 ioas;
	volatile unsigned char *bar;
};

static inline long vfio_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Waits for a condition; false if it does not come true. */
#define WAIT_FOR(condition)						\
	({								\
		long end_ = vfio_now() + VFIO_DEADLINE_S;		\
		bool true_;						\
									\
		while (!(true_ = (condition)) && vfio_now() < end_)	\
			poll(NULL, 0, 1);				\
		true_;							\
	})

/* Whether the kernel was told this. */
static inline bool vfio_is_told(const char *argument)
{
	static char cmdline[4096];
	int fd = open("/proc/cmdline", O_RDONLY);
	ssize_t length = read(fd, cmdline, sizeof(cmdline) - 1);

	close(fd);
	if (length < 0)
		return false;
	cmdline[length] = '\0';
	return strstr(cmdline, argument);
}

/* Files of a device in sysfs. */

static inline int pci_open(const char *bdf, const char *file, int flags)
{
	char path[PCI_PATH];
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", bdf, file);
	fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

/* Writes the whole text at once. */
static inline int pci_write(const char *bdf, const char *file, const char *text)
{
	int fd = pci_open(bdf, file, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Where a symbolic link of a device leads to, or the link that the device is: "". */
static inline int pci_link(const char *bdf, const char *file, char *target)
{
	char path[PCI_PATH];
	ssize_t length;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s%s%s", bdf, *file ? "/" : "",
		 file);
	length = syscall(__NR_readlinkat, AT_FDCWD, path, target, PCI_PATH - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	return 0;
}

/* Reads configuration space as root may: 4 bytes, or fewer. */
static inline long pci_config(const char *bdf, unsigned int offset,
			      unsigned int length)
{
	int fd = pci_open(bdf, "config", O_RDONLY);
	__u32 value = 0;
	ssize_t done;

	if (fd < 0)
		return fd;
	done = syscall(__NR_pread64, fd, &value, length, offset);
	close(fd);
	return done == (ssize_t)length ? (long)value : -EIO;
}

static inline int pci_set_config(const char *bdf, unsigned int offset,
				 __u16 value)
{
	int fd = pci_open(bdf, "config", O_WRONLY);
	ssize_t done;

	if (fd < 0)
		return fd;
	done = syscall(__NR_pwrite64, fd, &value, sizeof(value), offset);
	close(fd);
	return done == sizeof(value) ? 0 : -EIO;
}

static inline bool pci_is_bus_master(const char *bdf)
{
	long command = pci_config(bdf, PCI_COMMAND, 2);

	return command >= 0 && command & PCI_COMMAND_MASTER;
}

/* Where a capability is in configuration space, or -errno. */
static inline int pci_find_capability(const char *bdf, unsigned int id)
{
	long at = pci_config(bdf, PCI_CAPABILITY_LIST, 1);

	/* A list that bites its tail does not keep anybody. */
	for (int i = 0; i < 48 && at > 0; i++) {
		if (pci_config(bdf, at + PCI_CAP_LIST_ID, 1) == (long)id)
			return at;
		at = pci_config(bdf, at + PCI_CAP_LIST_NEXT, 1);
	}
	return at < 0 ? at : -ENOENT;
}

/* The same, of an extended capability. */
static inline int pci_find_ext_capability(const char *bdf, unsigned int id)
{
	unsigned int at = PCI_CFG_SPACE_SIZE;

	for (int i = 0; i < 256 && at; i++) {
		long header = pci_config(bdf, at, 4);

		if (header < 0)
			return header;
		if (PCI_EXT_CAP_ID(header) == id)
			return at;
		at = PCI_EXT_CAP_NEXT(header);
	}
	return -ENOENT;
}

/* The first entry of a directory whose name begins so. */
static inline bool vfio_entry(const char *directory, const char *prefix,
			      char *name, size_t size)
{
	DIR *dir = opendir(directory);
	struct dirent entry, *result;
	bool found = false;

	if (!dir)
		return false;
	while (!found && !readdir_r(dir, &entry, &result) && result) {
		found = !strncmp(entry.d_name, prefix, strlen(prefix));
		if (found)
			snprintf(name, size, "%s", entry.d_name);
	}
	closedir(dir);
	return found;
}

/* Finds a device by what it is and by a port that it is behind, however far. */
static inline bool pci_find_behind(const char *port, unsigned int id,
				   struct pci_name *name)
{
	DIR *dir = opendir(PCI_DEVICES);
	struct dirent entry, *result;
	char path[PCI_PATH];
	bool found = false;

	if (!dir)
		return false;
	while (!found && !readdir_r(dir, &entry, &result) && result) {
		if (entry.d_name[0] == '.')
			continue;
		found = !pci_link(entry.d_name, "", path) && strstr(path, port) &&
			pci_config(entry.d_name, 0, 4) == (long)id;
		if (found)
			snprintf(name->bdf, sizeof(name->bdf), "%s", entry.d_name);
	}
	closedir(dir);
	return found;
}

/* The same, by the slot of a root port. */
static inline bool pci_find(unsigned int slot, unsigned int id,
			    struct pci_name *name)
{
	char port[BDF_LENGTH];

	snprintf(port, sizeof(port), "0000:00:%02x.0", slot);
	return pci_find_behind(port, id, name);
}

#define PCI_RESCAN	"/sys/bus/pci/rescan"

/* Has devices looked for over and over, by a process to be ended by its id. */
static inline pid_t pci_keep_rescanning(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	/* What it has open nobody else has to wait for. */
	syscall(__NR_close_range, 3U, ~0U, 0U);
	while (lu_write_text(PCI_RESCAN, "1"))
		;
	_exit(1);
}

/* Whether it was still at it. */
static inline bool pci_stop_rescanning(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

static inline bool pci_has_driver(const char *bdf, const char *driver)
{
	char target[PCI_PATH];
	char *name;

	if (pci_link(bdf, "driver", target))
		return false;
	name = strrchr(target, '/');
	return name && !strcmp(name + 1, driver);
}

/* Takes a device from its driver, if it has one. */
static inline int pci_unbind(const char *bdf)
{
	int err = pci_write(bdf, "driver/unbind", bdf);

	return err == -ENOENT ? 0 : err;
}

/* Has @driver bound to a device and no other one, or says why it is not. */
static inline int pci_bind(const char *bdf, const char *driver)
{
	int err;

	if (pci_has_driver(bdf, driver))
		return 0;
	err = pci_unbind(bdf);
	if (!err)
		err = pci_write(bdf, "driver_override", driver);
	if (err)
		return err;
	if (!lu_write_text("/sys/bus/pci/drivers_probe", bdf))
		return -errno;
	return pci_has_driver(bdf, driver) ? 0 : -ENODEV;
}

/* Opening. */

/* The character device: as yet, nothing can be done with it. */
static inline int vfio_open_cdev(const char *bdf)
{
	char directory[PCI_PATH], path[PCI_PATH];
	char name[32];
	int fd;

	snprintf(directory, sizeof(directory), PCI_DEVICES "/%s/vfio-dev", bdf);
	if (!vfio_entry(directory, "vfio", name, sizeof(name)))
		return -ENXIO;
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	fd = open(path, O_RDWR);
	return fd < 0 ? -errno : fd;
}

/* Gives an open character device the address space of a device that has one. */
static inline int vfio_share(struct vfio *vfio, int fd, const struct vfio *other)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = other->iommufd,
	};
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = other->ioas,
	};
	int err;

	*vfio = *other;
	vfio->fd = fd;
	vfio->bar = NULL;
	err = lu_ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	return err ? err : lu_ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

/* Gives it an address space of its own, which is empty. */
static inline int vfio_connect(struct vfio *vfio, int fd)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio space = { .iommufd = open("/dev/iommu", O_RDWR) };
	int err;

	if (space.iommufd < 0)
		return -errno;
	err = lu_ioctl(space.iommufd, IOMMU_IOAS_ALLOC, &alloc);
	space.ioas = alloc.out_ioas_id;
	if (!err)
		err = vfio_share(vfio, fd, &space);
	if (err)
		close(space.iommufd);
	return err;
}

static inline int vfio_open(struct vfio *vfio, const char *bdf)
{
	int fd = vfio_open_cdev(bdf);
	int err;

	*vfio = (struct vfio){ .fd = -1, .iommufd = -1 };
	if (fd < 0)
		return fd;
	err = vfio_connect(vfio, fd);
	if (err)
		close(fd);
	return err;
}

/* The other way to a device: by its group, which gives it an address space. */
static inline int vfio_open_by_group(const char *bdf, int iommufd)
{
	char target[PCI_PATH], path[PCI_PATH];
	int err = pci_link(bdf, "iommu_group", target);
	int group, fd;

	if (err)
		return err;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
	group = open(path, O_RDWR);
	if (group < 0)
		return -errno;
	err = lu_ioctl(group, VFIO_GROUP_SET_CONTAINER, &iommufd);
	if (err) {
		close(group);
		return err;
	}
	fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (fd < 0)
		fd = -errno;
	close(group);
	return fd;
}

static inline int vfio_region(int fd, unsigned int index,
			      struct vfio_region_info *region)
{
	memset(region, 0, sizeof(*region));
	region->argsz = sizeof(*region);
	region->index = index;
	return lu_ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, region);
}

/* Maps a BAR into memory; NULL with errno set if that does not work. */
static inline volatile unsigned char *vfio_map_bar(int fd, unsigned int index)
{
	struct vfio_region_info region;
	void *map;
	int err = vfio_region(fd, index, &region);

	if (err) {
		errno = -err;
		return NULL;
	}
	map = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   region.offset);
	return map == MAP_FAILED ? NULL : map;
}

/* Resets a device by its bus, and with it all others there. */
static inline int vfio_hot_reset(int fd)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };

	return lu_ioctl(fd, VFIO_DEVICE_PCI_HOT_RESET, &reset);
}

/* Makes a dma-buf of the first page of a BAR. */
static inline int vfio_export_bar(int fd, unsigned int index)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf buf;
		struct vfio_region_dma_range range;
	} args = {
		.feature = {
			.argsz = sizeof(args),
			.flags = VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_DMA_BUF,
		},
		.buf = {
			.region_index = index,
			.open_flags = O_RDWR | O_CLOEXEC,
			.nr_ranges = 1,
		},
		.range = { .length = PAGE },
	};
	int dmabuf = ioctl(fd, VFIO_DEVICE_FEATURE, &args);

	return dmabuf < 0 ? -errno : dmabuf;
}

static inline void vfio_close(struct vfio *vfio)
{
	if (vfio->bar) {
		struct vfio_region_info region;

		if (!vfio_region(vfio->fd, 0, &region))
			munmap((void *)vfio->bar, region.size);
	}
	close(vfio->fd);
	close(vfio->iommufd);
	*vfio = (struct vfio){ .fd = -1, .iommufd = -1 };
}

/* Gives the device the beginning of a memfd, or of a dma-buf. */
static inline int vfio_map_file(struct vfio *vfio, int fd, unsigned long length,
				unsigned long iova)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = vfio->ioas,
		.fd = fd,
		.length = length,
		.iova = iova,
	};

	return lu_ioctl(vfio->iommufd, IOMMU_IOAS_MAP_FILE, &map);
}

static inline int vfio_unmap(struct vfio *vfio, unsigned long iova,
			     unsigned long length)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = vfio->ioas,
		.iova = iova,
		.length = length,
	};

	return lu_ioctl(vfio->iommufd, IOMMU_IOAS_UNMAP, &unmap);
}

static inline int vfio_map_memfd(struct vfio *vfio, int memfd,
				 unsigned long length)
{
	return vfio_map_file(vfio, memfd, length, IOVA);
}

/* Configuration space as VFIO shows it. */

static inline int vfio_read_config(int fd, unsigned int offset, void *value,
				   unsigned int length)
{
	struct vfio_region_info region;
	int err = vfio_region(fd, VFIO_PCI_CONFIG_REGION_INDEX, &region);
	off_t at = region.offset + offset;

	if (err)
		return err;
	return syscall(__NR_pread64, fd, value, length, at) < 0 ? -errno : 0;
}

static inline int vfio_write_config(int fd, unsigned int offset,
				    const void *value, unsigned int length)
{
	struct vfio_region_info region;
	int err = vfio_region(fd, VFIO_PCI_CONFIG_REGION_INDEX, &region);
	off_t at = region.offset + offset;

	if (err)
		return err;
	return syscall(__NR_pwrite64, fd, value, length, at) < 0 ? -errno : 0;
}

/* Without this a device does no DMA. */
static inline int vfio_set_bus_master(int fd)
{
	__u16 command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	return vfio_write_config(fd, PCI_COMMAND, &command, sizeof(command));
}

/* Puts a device to sleep, or wakes it up, by its PM capability. */
static inline int vfio_set_power_state(int fd, const char *bdf, __u16 state)
{
	int at = pci_find_capability(bdf, PCI_CAP_ID_PM);
	__u16 found;
	int err;

	if (at < 0)
		return at;
	err = vfio_write_config(fd, at + PCI_PM_CTRL, &state, sizeof(state));
	if (!err)
		err = vfio_read_config(fd, at + PCI_PM_CTRL, &found,
				       sizeof(found));
	if (err)
		return err;
	return (found & PCI_PM_CTRL_STATE_MASK) == state ? 0 : -EIO;
}

/* Interrupts. */

static inline int vfio_set_irqs(int fd, unsigned int index, int eventfd)
{
	struct {
		struct vfio_irq_set set;
		__s32 eventfd;
	} args = {
		.set = {
			.argsz = sizeof(args),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = index,
			.count = 1,
		},
		.eventfd = eventfd,
	};

	return lu_ioctl(fd, VFIO_DEVICE_SET_IRQS, &args);
}

/* Has something raise an event; gives the descriptor for it. */
static inline int vfio_enable_irqs(int fd, unsigned int index)
{
	int event = syscall(__NR_eventfd2, 0, 0);
	int err;

	if (event < 0)
		return -errno;
	err = vfio_set_irqs(fd, index, event);
	return err ? err : event;
}

static inline int vfio_enable_msi(int fd)
{
	return vfio_enable_irqs(fd, VFIO_PCI_MSI_IRQ_INDEX);
}

static inline int vfio_disable_irqs(int fd, unsigned int index)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
	};

	return lu_ioctl(fd, VFIO_DEVICE_SET_IRQS, &set);
}

static inline bool vfio_event_came(int event)
{
	struct pollfd wait = { .fd = event, .events = POLLIN };
	__u64 count;

	return poll(&wait, 1, VFIO_DEADLINE_S * 1000) == 1 &&
	       read(event, &count, sizeof(count)) == sizeof(count) && count == 1;
}

/* The edu device; see "EDU device" in QEMU's manual. */

#define EDU_IDENTITY		0x00
#define EDU_LIVENESS		0x04
#define EDU_RAISE_IRQ		0x60
#define EDU_ACKNOWLEDGE_IRQ	0x64
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_TARGET		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98

#define EDU_DMA_RUN		1UL
#define EDU_DMA_TO_MEMORY	2UL

/*
 * The device's own memory, as its DMA sees it. It is a page, but QEMU ends at a
 * transfer of the last byte of it.
 */
#define EDU_MEMORY		0x40000UL
#define EDU_LENGTH		(PAGE / 2)

static inline volatile __u32 *edu_reg(const struct vfio *edu, unsigned int at)
{
	return (volatile __u32 *)(edu->bar + at);
}

static inline volatile __u64 *edu_reg64(const struct vfio *edu, unsigned int at)
{
	return (volatile __u64 *)(edu->bar + at);
}

/* Whether somebody is there: it answers with what it was told, inverted. */
static inline bool edu_is_alive(const struct vfio *edu)
{
	*edu_reg(edu, EDU_LIVENESS) = 0x12345678;
	return *edu_reg(edu, EDU_LIVENESS) == ~0x12345678U;
}

/* Opens an edu device so that it can do DMA. */
static inline int edu_start(struct vfio *edu)
{
	int err = vfio_set_bus_master(edu->fd);

	if (err)
		return err;
	edu->bar = vfio_map_bar(edu->fd, 0);
	if (!edu->bar)
		return -errno;
	return edu_is_alive(edu) ? 0 : -EIO;
}

static inline int edu_open(struct vfio *edu, const char *bdf)
{
	int err = vfio_open(edu, bdf);

	return err ? err : edu_start(edu);
}

static inline bool edu_transfer(const struct vfio *edu, unsigned long source,
				unsigned long target, unsigned long length,
				unsigned long direction)
{
	*edu_reg64(edu, EDU_DMA_SOURCE) = source;
	*edu_reg64(edu, EDU_DMA_TARGET) = target;
	*edu_reg64(edu, EDU_DMA_COUNT) = length;
	*edu_reg64(edu, EDU_DMA_COMMAND) = EDU_DMA_RUN | direction;
	return WAIT_FOR(!(*edu_reg64(edu, EDU_DMA_COMMAND) & EDU_DMA_RUN));
}

/* The first half of a page of what is mapped at IOVA, to the device. */
static inline bool edu_takes_page(const struct vfio *edu, unsigned int page)
{
	return edu_transfer(edu, IOVA + page * PAGE, EDU_MEMORY, EDU_LENGTH, 0);
}

/* And back. */
static inline bool edu_gives_page(const struct vfio *edu, unsigned int page)
{
	return edu_transfer(edu, EDU_MEMORY, IOVA + page * PAGE, EDU_LENGTH,
			    EDU_DMA_TO_MEMORY);
}

/* Whether two pages of a memfd begin with the same half. */
static inline bool edu_same_pages(int memfd, unsigned int one, unsigned int two)
{
	static unsigned char data[2][EDU_LENGTH];

	return lseek(memfd, one * PAGE, SEEK_SET) == (off_t)(one * PAGE) &&
	       read(memfd, data[0], EDU_LENGTH) == EDU_LENGTH &&
	       lseek(memfd, two * PAGE, SEEK_SET) == (off_t)(two * PAGE) &&
	       read(memfd, data[1], EDU_LENGTH) == EDU_LENGTH &&
	       !memcmp(data[0], data[1], EDU_LENGTH);
}

/* Whether the device carries a page of a memfd, mapped at IOVA, to another one. */
static inline bool edu_copies_page(const struct vfio *edu, int memfd,
				   unsigned int from, unsigned int to)
{
	return !edu_same_pages(memfd, from, to) && edu_takes_page(edu, from) &&
	       edu_gives_page(edu, to) && edu_same_pages(memfd, from, to);
}

/*
 * Whether the device can reach what it has at IOVA_DMABUF, which is a dma-buf of
 * its own BAR. Uses a page of a memfd.
 */
static inline bool edu_reaches_its_bar(const struct vfio *edu, int memfd,
				       unsigned int page)
{
	__u32 identity = *edu_reg(edu, EDU_IDENTITY), found = 0;

	return edu_transfer(edu, IOVA_DMABUF + EDU_IDENTITY, EDU_MEMORY,
			    sizeof(found), 0) &&
	       edu_transfer(edu, EDU_MEMORY, IOVA + page * PAGE, sizeof(found),
			    EDU_DMA_TO_MEMORY) &&
	       lseek(memfd, page * PAGE, SEEK_SET) == (off_t)(page * PAGE) &&
	       read(memfd, &found, sizeof(found)) == sizeof(found) &&
	       found == identity;
}

/* Whether an interrupt that the device is told to raise becomes an event. */
static inline bool edu_interrupts(const struct vfio *edu, int event)
{
	bool came;

	*edu_reg(edu, EDU_RAISE_IRQ) = 1;
	came = vfio_event_came(event);
	*edu_reg(edu, EDU_ACKNOWLEDGE_IRQ) = 1;
	return came;
}

/* NVMe, without a driver for it: only whether somebody is there. */

#define NVME_VERSION	8

static inline bool nvme_is_alive(const struct vfio *nvme)
{
	__u32 version = *(volatile __u32 *)(nvme->bar + NVME_VERSION);

	return version >> 16 == 1;
}

static inline int nvme_start(struct vfio *nvme)
{
	int err = vfio_set_bus_master(nvme->fd);

	if (err)
		return err;
	nvme->bar = vfio_map_bar(nvme->fd, 0);
	if (!nvme->bar)
		return -errno;
	return nvme_is_alive(nvme) ? 0 : -EIO;
}

static inline int nvme_open(struct vfio *nvme, const char *bdf)
{
	int err = vfio_open(nvme, bdf);

	return err ? err : nvme_start(nvme);
}

#endif /* SELFTESTS_LIVEUPDATE_VFIO_H */
