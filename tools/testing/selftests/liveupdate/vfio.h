/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices of vfio-pci: opening them, giving them memory by an iommufd, taking
 * their interrupts.
 *
 * Functions return -errno or something that is not negative.
 */

#ifndef SELFTESTS_LIVEUPDATE_VFIO_H
#define SELFTESTS_LIVEUPDATE_VFIO_H

#include "pci.h"

#include <linux/iommufd.h>
#include <linux/vfio.h>

/* Devices get no addresses beyond 256 MiB: edu has 28 lines for them. */
#define IOVA		0x1000000UL
#define IOVA_DMABUF	0x2000000UL

/* What a register of the PM capability calls the states. */
#define PM_D0		0
#define PM_D3HOT	3

/* The most vectors that a test needs. */
#define VFIO_VECTORS	2

/* An open device, and its address space. */
struct vfio {
	int fd;
	int iommufd;
	__u32 ioas;
	volatile unsigned char *bar;
};

/* The character device: as yet, nothing can be done with it. */
static inline int vfio_open_cdev(const char *bdf)
{
	char directory[PCI_PATH], path[PCI_PATH];
	char name[32];
	int fd;

	snprintf(directory, sizeof(directory), PCI_DEVICES "/%s/vfio-dev", bdf);
	if (!pci_find_entry(directory, "vfio", name, sizeof(name)))
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

/* The first so many vectors at once, and none but them. */
static inline int vfio_set_vectors(int fd, unsigned int index, const int *events,
				   unsigned int count)
{
	struct {
		struct vfio_irq_set set;
		__s32 events[VFIO_VECTORS];
	} args = {
		.set = {
			.argsz = sizeof(args),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = index,
			.count = count,
		},
	};

	if (count > VFIO_VECTORS)
		return -E2BIG;
	memcpy(args.events, events, count * sizeof(*events));
	return lu_ioctl(fd, VFIO_DEVICE_SET_IRQS, &args);
}

static inline int vfio_set_irqs(int fd, unsigned int index, int eventfd)
{
	return vfio_set_vectors(fd, index, &eventfd, 1);
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

/* A line is masked when it has interrupted, until its user has served the device. */
static inline int vfio_unmask_irqs(int fd, unsigned int index)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = index,
		.count = 1,
	};

	return lu_ioctl(fd, VFIO_DEVICE_SET_IRQS, &set);
}

/* Whether there is an event to be read, now or within so many milliseconds. */
static inline bool vfio_is_unread(int event, int timeout)
{
	struct pollfd wait = { .fd = event, .events = POLLIN };

	return poll(&wait, 1, timeout) == 1;
}

/* How many events have come, without waiting for any. */
static inline __u64 vfio_events(int event)
{
	__u64 count;

	if (!vfio_is_unread(event, 0) ||
	    read(event, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

/* The same, and waits until there is one. */
static inline __u64 vfio_wait_events(int event)
{
	return vfio_is_unread(event, PCI_DEADLINE_S * 1000) ?
		vfio_events(event) : 0;
}

static inline bool vfio_event_came(int event)
{
	return vfio_wait_events(event) == 1;
}

#endif /* SELFTESTS_LIVEUPDATE_VFIO_H */
