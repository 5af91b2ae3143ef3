// SPDX-License-Identifier: GPL-2.0
/*
 * The same memfds through many live updates: each boot gets them back, finds
 * everything as it was, and hands on the very same files. One of them grows: each
 * boot adds its number, so that an older state of it shows. Run with "-s 1" in
 * the first boot, "-s 2" after the first live update and so on.
 *
 * Each boot says how much memory is free, at the same point.
 */

#include "pattern.h"

#define ODD_PAGES	4UL
#define ODD_SIZE	((ODD_PAGES - 1) * PAGE + 123)
#define SEALS		(F_SEAL_GROW | F_SEAL_SHRINK)

#define HOLES_PAGES	16UL
static const unsigned long data_pages[] = { 3, 10 };

#define SCATTERED_PAGES	512UL
#define LARGE_PAGES	2048UL

/* The rest of the boot gives memory back in the background. */
#define SETTLED_TRIES	100
#define SETTLED_SLEEP	50000

/* Tokens, and which pattern is in them. */
enum { ODD, HOLES, SCATTERED, LARGE, FILES };
/* The file that grows has a session to itself. */
#define LOG		7

static int files[FILES], history;

static int new_memfd(unsigned int flags)
{
	int fd = memfd_create("chain", flags);

	NEED(fd >= 0);
	return fd;
}

static void make(void)
{
	int fd, dropped;

	fd = files[ODD] = new_memfd(MFD_ALLOW_SEALING);
	NEED(lu_write_pages(fd, 0, ODD_PAGES, ODD));
	NEED(ftruncate(fd, ODD_SIZE) == 0);
	NEED(lu_fcntl(fd, F_ADD_SEALS, SEALS) == 0);

	fd = files[HOLES] = new_memfd(0);
	NEED(ftruncate(fd, HOLES_PAGES * PAGE) == 0);
	for (int i = 0; i < 2; i++)
		NEED(lu_write_pages(fd, data_pages[i], data_pages[i] + 1, HOLES));

	/* Another file has the pages in between, which then go to somebody else. */
	fd = files[SCATTERED] = new_memfd(0);
	dropped = new_memfd(0);
	for (unsigned long i = 0; i < SCATTERED_PAGES; i++) {
		NEED(lu_write_pages(fd, i, i + 1, SCATTERED));
		NEED(lu_write_pages(dropped, i, i + 1, FILES));
	}
	close(dropped);

	fd = files[LARGE] = new_memfd(0);
	NEED(lu_write_pages(fd, 0, LARGE_PAGES, LARGE));

	history = new_memfd(0);
}

static off_t size_of(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

static void check(unsigned long boots)
{
	/* Reading moves the position, but where the file ends is where it was. */
	NEED(lseek(history, 0, SEEK_CUR) == (off_t)(boots * sizeof(boots)));
	NEED(size_of(history) == (off_t)(boots * sizeof(boots)));
	NEED(lseek(history, 0, SEEK_SET) == 0);
	for (unsigned long i = 1; i <= boots; i++) {
		unsigned long number;

		NEED(read(history, &number, sizeof(number)) == sizeof(number));
		NEED(number == i);
	}

	NEED(size_of(files[ODD]) == (off_t)ODD_SIZE);
	NEED_PAGES(files[ODD], 0, ODD_PAGES - 1, ODD);
	NEED(lu_fcntl(files[ODD], F_GET_SEALS, 0) == SEALS);

	NEED(size_of(files[HOLES]) == (off_t)(HOLES_PAGES * PAGE));
	for (int i = 0; i < 2; i++) {
		unsigned long from = i ? data_pages[i - 1] + 1 : 0;
		unsigned long page = data_pages[i];

		NEED(lu_wrong(files[HOLES], from * PAGE, page * PAGE, 0) == page * PAGE);
		NEED_PAGES(files[HOLES], page, page + 1, HOLES);
	}

	NEED(size_of(files[SCATTERED]) == (off_t)(SCATTERED_PAGES * PAGE));
	NEED_PAGES(files[SCATTERED], 0, SCATTERED_PAGES, SCATTERED);
	NEED(size_of(files[LARGE]) == (off_t)(LARGE_PAGES * PAGE));
	NEED_PAGES(files[LARGE], 0, LARGE_PAGES, LARGE);
}

static void take_over(int device)
{
	int data = lu_retrieve_session(device, "data");
	int log = lu_retrieve_session(device, "log");

	NEED(data >= 0 && log >= 0);
	/* Not in the order of preserving. */
	for (int token = FILES - 1; token >= 0; token--) {
		files[token] = lu_retrieve(data, token);
		NEED(files[token] >= 0);
	}
	history = lu_retrieve(log, LOG);
	NEED(history >= 0);
	NEED(lu_finish(log, 0) == 0);
	NEED(lu_finish(data, 0) == 0);
	close(log);
	close(data);
}

static void hand_on(int device)
{
	int data = lu_create(device, "data");
	int log = lu_create(device, "log");

	NEED(data >= 0 && log >= 0);
	for (int token = 0; token < FILES; token++)
		NEED(lu_preserve(data, files[token], token) == 0);
	NEED(lu_preserve(log, history, LOG) == 0);
}

/* Says what is free once what can be freed is, and no more comes. */
static void report_memory(void)
{
	long total = 0, now;

	for (int tries = 0; tries < SETTLED_TRIES; tries++) {
		now = lu_meminfo("MemTotal");
		if (now == total)
			break;
		total = now;
		usleep(SETTLED_SLEEP);
	}
	NEED(lu_count_free_memory_exactly());
	NEED(lu_write_text("/proc/sys/vm/drop_caches", "3"));
	printf("# free memory: %ld KiB\n", lu_free_memory());
	/* KASAN and kmemleak keep memory of their own, more or less of it. */
	if (!lu_free_memory_tells())
		printf("# it tells nothing\n");
}

int main(int argc, char **argv)
{
	int device = open(LU_DEVICE, O_RDWR);
	unsigned long boot;

	NEED(device >= 0);
	NEED(argc == 3);
	boot = strtoul(argv[2], NULL, 10);
	if (boot == 1)
		make();
	else
		take_over(device);
	check(boot - 1);
	NEED(lseek(history, 0, SEEK_END) == (off_t)((boot - 1) * sizeof(boot)));
	NEED(write(history, &boot, sizeof(boot)) == sizeof(boot));
	hand_on(device);
	report_memory();
	lu_hold_sessions();
}
