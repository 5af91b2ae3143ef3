// SPDX-License-Identifier: GPL-2.0
/*
 * Live updates with much of something: sessions, files, pages without neighbours,
 * huge pages, reserved memory. Which of them, lu_parts= on the kernel's command
 * line says, by their names with a comma after each. Run with "-s 1" before the
 * live update and with "-s 2" after it.
 */

#include "pattern.h"
#include "reserved.h"
#include "kselftest.h"

#define SESSIONS	1000UL
#define FILES		10000UL
/* Coprime to both, so that multiples of it come by all of them in another order. */
#define STRIDE		7919UL

#define SCATTERED_PAGES	((2UL << 30) / PAGE)

#define HUGE_PAGES	((256UL << 20) / PAGE)
#define HUGE_SETTING	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/* Whose pattern is in a file. */
#define SESSION_FILE(i)	(100000 + (i))
#define MANY_FILE(i)	(200000 + (i))
enum { SCATTERED_FILE = 1, HUGE_FILE };

#define SAY_AGAIN_MS	1000

static int device;

static int new_memfd(void)
{
	int fd = memfd_create("scale", 0);

	NEED(fd >= 0);
	return fd;
}

static int create(const char *name)
{
	int session = lu_create(device, name);

	NEED(session >= 0);
	return session;
}

static int retrieve_session(const char *name)
{
	int session = lu_retrieve_session(device, name);

	NEED(session >= 0);
	return session;
}

static int retrieve(int session, unsigned long token)
{
	int fd = lu_retrieve(session, token);

	NEED(fd >= 0);
	return fd;
}

static void need_size(int fd, unsigned long pages)
{
	NEED(lseek(fd, 0, SEEK_END) == (off_t)(pages * PAGE));
}

static void session_name(char *name, size_t size, unsigned long i)
{
	snprintf(name, size, "session-%lu", i);
}

static void make_sessions(void)
{
	char name[32];

	for (unsigned long i = 0; i < SESSIONS; i++) {
		int fd = new_memfd();

		session_name(name, sizeof(name), i);
		NEED(lu_write_pages(fd, 0, 1, SESSION_FILE(i)));
		NEED(lu_preserve(create(name), fd, i) == 0);
		close(fd);
	}
}

static void check_sessions(void)
{
	char name[32];

	for (unsigned long n = 0; n < SESSIONS; n++) {
		unsigned long i = n * STRIDE % SESSIONS;
		int session, fd;

		session_name(name, sizeof(name), i);
		session = retrieve_session(name);
		fd = retrieve(session, i);
		need_size(fd, 1);
		NEED_PAGES(fd, 0, 1, SESSION_FILE(i));
		NEED(lu_finish(session, 0) == 0);
		close(session);
		close(fd);
	}
}

static unsigned long pages_of(unsigned long i)
{
	return 1 + i % 3;
}

static void make_files(void)
{
	int session = create("files");

	for (unsigned long i = 0; i < FILES; i++) {
		int fd = new_memfd();

		NEED(lu_write_pages(fd, 0, pages_of(i), MANY_FILE(i)));
		NEED(lu_preserve(session, fd, i) == 0);
		close(fd);
	}
}

static void check_files(void)
{
	int session = retrieve_session("files");

	for (unsigned long n = 0; n < FILES; n++) {
		unsigned long i = n * STRIDE % FILES;
		int fd = retrieve(session, i);

		need_size(fd, pages_of(i));
		NEED_PAGES(fd, 0, pages_of(i), MANY_FILE(i));
		close(fd);
	}
	NEED(lu_finish(session, 0) == 0);
	close(session);
}

/* Of each two pages that follow each other in memory, one is in a file that is closed. */
static void make_scattered(void)
{
	int fd = new_memfd(), dropped = new_memfd();

	NEED(lseek(dropped, 0, SEEK_SET) == 0);
	for (unsigned long i = 0; i < SCATTERED_PAGES; i++) {
		NEED(lu_write_pages(fd, i, i + 1, SCATTERED_FILE));
		/* A byte is enough to have a page. */
		NEED(write(dropped, "", 1) == 1);
		NEED(lseek(dropped, (i + 1) * PAGE, SEEK_SET) >= 0);
	}
	close(dropped);
	NEED(lu_preserve(create("scattered"), fd, 0) == 0);
	close(fd);
}

static void check_scattered(void)
{
	int session = retrieve_session("scattered");
	int fd = retrieve(session, 0);

	need_size(fd, SCATTERED_PAGES);
	NEED_PAGES(fd, 0, SCATTERED_PAGES, SCATTERED_FILE);
	NEED(lu_finish(session, 0) == 0);
	close(session);
	close(fd);
}

static void make_huge(void)
{
	long before = lu_meminfo("ShmemHugePages");
	int fd = new_memfd();

	NEED(lu_write_text(HUGE_SETTING, "always"));
	NEED(ftruncate(fd, HUGE_PAGES * PAGE) == 0);
	NEED(lu_write_pages(fd, 0, HUGE_PAGES, HUGE_FILE));
	NEED(lu_meminfo("ShmemHugePages") == before + (long)(HUGE_PAGES * PAGE >> 10));
	NEED(lu_write_text(HUGE_SETTING, "never"));
	NEED(lu_preserve(create("huge"), fd, 0) == 0);
	close(fd);
}

static void check_huge(void)
{
	int session = retrieve_session("huge");
	long before = lu_meminfo("ShmemHugePages");
	int fd = retrieve(session, 0);

	/* They come back as huge as they were. */
	NEED(lu_meminfo("ShmemHugePages") == before + (long)(HUGE_PAGES * PAGE >> 10));
	need_size(fd, HUGE_PAGES);
	NEED_PAGES(fd, 0, HUGE_PAGES, HUGE_FILE);
	NEED(lu_finish(session, 0) == 0);
	close(session);
	close(fd);
}

/* Somebody with a debugger looks at the regions, or writes to them, and then types a line. */
static void show_regions(void)
{
	static const char *const names[] = { "lu_large", "lu_small" };
	struct pollfd input = { .fd = 0, .events = POLLIN };
	struct lu_region region;
	char byte;

	for (int i = 0; i < 2; i++) {
		NEED(lu_find_region(names[i], &region));
		printf("# region %s at %lu has %lu bytes\n", names[i],
		       region.start, region.size);
	}
	/* A console may keep its last line to itself while the machine is idle. */
	do {
		printf("# these are the regions\n");
	} while (!poll(&input, 1, SAY_AGAIN_MS));
	do {
		NEED(read(0, &byte, 1) == 1);
	} while (byte != '\n');
}

static const struct part {
	const char *name;
	void (*make)(void);
	void (*check)(void);
} parts[] = {
	{ "reserved", show_regions, show_regions },
	{ "sessions", make_sessions, check_sessions },
	{ "files", make_files, check_files },
	{ "huge", make_huge, check_huge },
	/* Last: it leaves no two free pages together. */
	{ "scattered", make_scattered, check_scattered },
};

#define PARTS		(sizeof(parts) / sizeof(parts[0]))

static bool is_wanted(const struct part *part)
{
	static char cmdline[2048];
	char name[32], *list;

	NEED(lu_read_text("/proc/cmdline", cmdline, sizeof(cmdline)));
	snprintf(name, sizeof(name), "%s,", part->name);
	list = strstr(cmdline, "lu_parts=");
	if (list && strchr(list, ' '))
		*strchr(list, ' ') = '\0';
	return list && strstr(list, name);
}

static void prepare(void)
{
	NEED(lu_allow_fds(SESSIONS) == 0);
	for (unsigned int i = 0; i < PARTS; i++) {
		if (!is_wanted(parts + i))
			continue;
		printf("# making %s\n", parts[i].name);
		parts[i].make();
	}
	lu_hold_sessions();
}

static int check(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < PARTS; i++)
		count += is_wanted(parts + i);
	ksft_print_header();
	ksft_set_plan(count);
	for (unsigned int i = 0; i < PARTS; i++) {
		if (!is_wanted(parts + i))
			continue;
		printf("# checking %s\n", parts[i].name);
		parts[i].check();
		ksft_test_result_pass("%s\n", parts[i].name);
	}
	ksft_finished();
	return 0;
}

int main(int argc, char **argv)
{
	device = open(LU_DEVICE, O_RDWR);
	NEED(device >= 0);
	if (argc == 3 && !strcmp(argv[2], "1"))
		prepare();
	return check();
}
