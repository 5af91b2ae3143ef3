/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver in userspace for QEMU's edu device, which moves data and interrupts.
 *
 * Functions return -errno or something that is not negative. What waits has a
 * deadline.
 */

#ifndef SELFTESTS_LIVEUPDATE_EDU_H
#define SELFTESTS_LIVEUPDATE_EDU_H

#include "vfio.h"

/* The edu device; see "EDU device" in QEMU's manual. */

#define EDU_IDENTITY		0x00
#define EDU_LIVENESS		0x04
#define EDU_IRQ_STATUS		0x24
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

/*
 * Has an edu device whose file came from the previous kernel work on a memfd. Says
 * how far it came if that fails.
 */
static inline int edu_take_over(struct vfio *edu, int fd, int memfd,
				unsigned long size)
{
	const char *step = "connecting";
	int err = vfio_connect(edu, fd);

	if (!err) {
		step = "starting";
		err = edu_start(edu);
	}
	if (!err) {
		step = "mapping";
		err = vfio_map_memfd(edu, memfd, size);
	}
	if (err)
		printf("# %s: %d\n", step, err);
	return err;
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

#endif /* SELFTESTS_LIVEUPDATE_EDU_H */
