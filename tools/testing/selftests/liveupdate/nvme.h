/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver in userspace for NVMe, as small as it can be: the admin queues, and
 * the one command that asks a controller who it is.
 *
 * All that the controller reads and writes is in one memfd, at IOVA, and so is
 * what the driver knows of the queues: whoever has that memfd can go on with a
 * controller that runs. Register names are those of the specification.
 *
 * Functions return -errno or something that is not negative. What waits has a
 * deadline.
 */

#ifndef SELFTESTS_LIVEUPDATE_NVME_H
#define SELFTESTS_LIVEUPDATE_NVME_H

#include "vfio.h"

#define NVME_VS			0x08
#define NVME_CC			0x14
#define NVME_CSTS		0x1c
#define NVME_AQA		0x24
#define NVME_ASQ		0x28
#define NVME_ACQ		0x30
/* The doorbells of the admin queues, if CAP.DSTRD is 0, as QEMU has it. */
#define NVME_SQ0TDBL		0x1000
#define NVME_CQ0HDBL		0x1004

#define NVME_CC_EN		1U
/* Entries of 64 and of 16 bytes. */
#define NVME_CC_ENTRIES		(6U << 16 | 4U << 20)
#define NVME_CSTS_RDY		1U
#define NVME_CSTS_CFS		2U

#define NVME_IDENTIFY		0x06
#define NVME_CNS_CONTROLLER	1

/* So few that a test comes around their end. */
#define NVME_ENTRIES		4U

/* The pages of the memfd. */
#define NVME_PAGE_SQ		0
#define NVME_PAGE_CQ		1
#define NVME_PAGE_DATA		2
#define NVME_PAGE_DRIVER	3
#define NVME_PAGES		4

struct nvme_command {
	__u8 opcode;
	__u8 flags;
	__u16 id;
	__u32 namespace;
	__u64 reserved[2];
	__u64 prp[2];
	__u32 dwords[6];
};

struct nvme_completion {
	__u32 result;
	__u32 reserved;
	__u16 sq_head;
	__u16 sq;
	__u16 command;
	/* And the phase, in bit 0. */
	__u16 status;
};

/* What the driver knows. */
struct nvme_driver {
	__u32 tail;
	__u32 head;
	__u16 phase;
	/* Of the last command. */
	__u16 id;
	/* For a test to leave word to itself. */
	__u32 note;
};

struct nvme {
	struct vfio vfio;
	int memfd;
	unsigned char *memory;
	/* Capabilities, in configuration space. */
	unsigned int msix;
};

static inline volatile __u32 *nvme_reg(const struct nvme *nvme, unsigned int at)
{
	return (volatile __u32 *)(nvme->vfio.bar + at);
}

static inline void *nvme_page(const struct nvme *nvme, unsigned int page)
{
	return nvme->memory + page * PAGE;
}

static inline struct nvme_driver *nvme_driver(const struct nvme *nvme)
{
	return nvme_page(nvme, NVME_PAGE_DRIVER);
}

/* What is in memory is there before the controller is told, and after it told. */
static inline void nvme_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Whether somebody is there, who need not have been enabled. */
static inline bool nvme_is_alive(const struct vfio *vfio)
{
	return *(volatile __u32 *)(vfio->bar + NVME_VS) >> 16 == 1;
}

static inline int nvme_start(struct vfio *vfio)
{
	int err = vfio_set_bus_master(vfio->fd);

	if (err)
		return err;
	vfio->bar = vfio_map_bar(vfio->fd, 0);
	if (!vfio->bar)
		return -errno;
	return nvme_is_alive(vfio) ? 0 : -EIO;
}

static inline int nvme_open(struct vfio *vfio, const char *bdf)
{
	int err = vfio_open(vfio, bdf);

	return err ? err : nvme_start(vfio);
}

/*
 * Takes a controller that is open, and memory for it. It is no bus master yet, if
 * it was none before.
 */
static inline int nvme_attach(struct nvme *nvme, const char *bdf, int memfd)
{
	int msix = pci_find_capability(bdf, PCI_CAP_ID_MSIX);
	void *memory;
	int err;

	if (msix < 0)
		return msix;
	nvme->msix = msix;
	nvme->memfd = memfd;
	memory = mmap(NULL, NVME_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      memfd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	nvme->memory = memory;
	err = vfio_map_memfd(&nvme->vfio, memfd, NVME_PAGES * PAGE);
	if (err)
		return err;
	nvme->vfio.bar = vfio_map_bar(nvme->vfio.fd, 0);
	if (!nvme->vfio.bar)
		return -errno;
	return nvme_is_alive(&nvme->vfio) ? 0 : -EIO;
}

static inline int nvme_new_memory(void)
{
	int memfd = memfd_create("nvme", 0);
	int err;

	if (memfd < 0)
		return -errno;
	err = syscall(__NR_ftruncate, memfd, NVME_PAGES * PAGE);
	return err ? -errno : memfd;
}

static inline bool nvme_is_enabled(const struct nvme *nvme)
{
	return *nvme_reg(nvme, NVME_CC) & NVME_CC_EN;
}

/* Ready, and not in trouble: that is what a DMA comes to which goes nowhere. */
static inline bool nvme_is_ready(const struct nvme *nvme)
{
	return (*nvme_reg(nvme, NVME_CSTS) & (NVME_CSTS_RDY | NVME_CSTS_CFS)) ==
	       NVME_CSTS_RDY;
}

/*
 * Sets the admin queues up, at their beginning. Vectors have to be configured
 * before: QEMU's controller looks which it has only here.
 */
static inline int nvme_enable(struct nvme *nvme)
{
	__u64 sq = IOVA + NVME_PAGE_SQ * PAGE, cq = IOVA + NVME_PAGE_CQ * PAGE;

	*nvme_reg(nvme, NVME_CC) = 0;
	if (!WAIT_FOR(!(*nvme_reg(nvme, NVME_CSTS) & NVME_CSTS_RDY)))
		return -ETIMEDOUT;
	memset(nvme->memory, 0, NVME_PAGES * PAGE);
	*nvme_driver(nvme) = (struct nvme_driver){ .phase = 1 };
	*nvme_reg(nvme, NVME_AQA) = (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1);
	*nvme_reg(nvme, NVME_ASQ) = sq;
	*nvme_reg(nvme, NVME_ASQ + 4) = sq >> 32;
	*nvme_reg(nvme, NVME_ACQ) = cq;
	*nvme_reg(nvme, NVME_ACQ + 4) = cq >> 32;
	nvme_fence();
	*nvme_reg(nvme, NVME_CC) = NVME_CC_EN | NVME_CC_ENTRIES;
	return WAIT_FOR(nvme_is_ready(nvme)) ? 0 : -ETIMEDOUT;
}

/* Commands. */

/* Puts an Identify into the queue, of which the controller is not told yet. */
static inline void nvme_queue_identify(const struct nvme *nvme)
{
	struct nvme_command *queue = nvme_page(nvme, NVME_PAGE_SQ);
	struct nvme_driver *driver = nvme_driver(nvme);

	memset(nvme_page(nvme, NVME_PAGE_DATA), 0, PAGE);
	queue[driver->tail] = (struct nvme_command){
		.opcode = NVME_IDENTIFY,
		.id = ++driver->id,
		.prp = { IOVA + NVME_PAGE_DATA * PAGE },
		.dwords = { NVME_CNS_CONTROLLER },
	};
	driver->tail = (driver->tail + 1) % NVME_ENTRIES;
	nvme_fence();
}

static inline void nvme_ring(const struct nvme *nvme)
{
	*nvme_reg(nvme, NVME_SQ0TDBL) = nvme_driver(nvme)->tail;
}

static inline void nvme_submit(const struct nvme *nvme)
{
	nvme_queue_identify(nvme);
	nvme_ring(nvme);
}

/* Whether the controller has completed a command, which stays in its queue. */
static inline bool nvme_has_completed(const struct nvme *nvme)
{
	volatile struct nvme_completion *queue = nvme_page(nvme, NVME_PAGE_CQ);
	struct nvme_driver *driver = nvme_driver(nvme);
	bool completed = (queue[driver->head].status & 1) == driver->phase;

	nvme_fence();
	return completed;
}

/* Waits for the last command, and takes it from the queue: whether it went well. */
static inline bool nvme_reap(const struct nvme *nvme)
{
	struct nvme_completion *queue = nvme_page(nvme, NVME_PAGE_CQ);
	unsigned char *data = nvme_page(nvme, NVME_PAGE_DATA);
	struct nvme_driver *driver = nvme_driver(nvme);
	struct nvme_completion found;

	if (!WAIT_FOR(nvme_has_completed(nvme)))
		return false;
	found = queue[driver->head];
	driver->head = (driver->head + 1) % NVME_ENTRIES;
	if (!driver->head)
		driver->phase ^= 1;
	*nvme_reg(nvme, NVME_CQ0HDBL) = driver->head;
	/* The data begins with the vendor. */
	return found.status >> 1 == 0 && found.command == driver->id &&
	       (data[0] | data[1] << 8) == (ID_NVME & 0xffff);
}

static inline bool nvme_identifies(const struct nvme *nvme)
{
	nvme_submit(nvme);
	return nvme_reap(nvme);
}

/* Vectors of MSI-X. */

/* Something in a BAR, which a register of the capability tells. */
static inline volatile __u32 *nvme_msix_memory(const struct nvme *nvme,
					       unsigned int at)
{
	__u32 where;

	if (vfio_read_config(nvme->vfio.fd, nvme->msix + at, &where, sizeof(where)))
		return NULL;
	/* The only BAR that is mapped. */
	if (where & PCI_MSIX_TABLE_BIR)
		return NULL;
	return nvme_reg(nvme, where & PCI_MSIX_TABLE_OFFSET);
}

/* Masks one in the table, as a driver does, or unmasks it. */
static inline bool nvme_mask(const struct nvme *nvme, unsigned int vector,
			     bool masked)
{
	volatile __u32 *entry = nvme_msix_memory(nvme, PCI_MSIX_TABLE);
	unsigned int control;

	if (!entry)
		return false;
	control = (vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL) /
		  sizeof(*entry);
	entry[control] = masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
	return entry[control] == (masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0);
}

/* Whether the controller would send a message if the vector was not masked. */
static inline bool nvme_is_pending(const struct nvme *nvme, unsigned int vector)
{
	volatile __u32 *bits = nvme_msix_memory(nvme, PCI_MSIX_PBA);

	return bits && bits[vector / 32] & 1U << vector % 32;
}

/* While the kernel has frozen a device. */

static inline bool nvme_is_frozen(const struct nvme *nvme)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return lu_ioctl(nvme->vfio.fd, VFIO_DEVICE_GET_INFO, &info) == -EIO;
}

/* What became of a command that was to be run by a frozen controller. */
#define NVME_NOT_RUN		1
#define NVME_RAN		2
/* And it was still frozen when that was over. */
#define NVME_RAN_FROZEN		3

/*
 * Has a process ring the doorbell as soon as the controller is frozen, and note
 * what came of it. The kernel has taken the BAR from the user of VFIO by then,
 * but root finds it in sysfs. Gives the id of the process, which ends by itself.
 */
static inline pid_t nvme_ring_when_frozen(struct nvme *nvme, const char *bdf)
{
	struct nvme_driver *driver = nvme_driver(nvme);
	/* All that is to be preserved yet comes first. */
	long end = pci_now() + 10 * PCI_DEADLINE_S;
	int resource;
	void *bar;
	pid_t pid;

	driver->note = NVME_NOT_RUN;
	pid = fork();
	if (pid)
		return pid;
	/* Nobody has to wait for it. */
	close(0);
	close(1);
	close(2);
	resource = pci_open(bdf, "resource0", O_RDWR);
	bar = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, resource, 0);
	if (bar == MAP_FAILED)
		_exit(1);
	nvme->vfio.bar = bar;
	while (!nvme_is_frozen(nvme) && pci_now() < end)
		;
	nvme_ring(nvme);
	while (!nvme_has_completed(nvme) && pci_now() < end)
		;
	driver->note = nvme_is_frozen(nvme) ? NVME_RAN_FROZEN : NVME_RAN;
	_exit(0);
}

#endif /* SELFTESTS_LIVEUPDATE_NVME_H */
