/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What programs share that have many processes at work while the machine reboots:
 * files that say whose they are, and a ledger that says what went wrong.
 */

#ifndef SELFTESTS_LIVEUPDATE_RACES_H
#define SELFTESTS_LIVEUPDATE_RACES_H

#include "lu_test.h"

#define MOST_PAGES	8

#define NOBODY		0xffff

/* The first bytes of each file. */
struct label {
	/* Who made it, in which of its sessions, and in which of a row of the same name. */
	unsigned int who, slot, generation;
	unsigned int token;
	/* Its number among the files of whoever made it. */
	unsigned int number;
	unsigned int pages;
};

/*
 * For processes that nobody listens to. A program has a "ledger" that all of them
 * share, where the line stands in which something went wrong that must not.
 */
#define MUST(condition)							\
	do {								\
		if (!(condition)) {					\
			ledger->wrong = __LINE__;			\
			_exit(1);					\
		}							\
	} while (0)

static inline unsigned int pattern_of(const struct label *label)
{
	return label->who * 7919 + label->slot * 131 + label->number + 1;
}

/* Makes a file what its label says. */
static inline bool fill_file(int fd, const struct label *label)
{
	return lseek(fd, 0, SEEK_SET) == 0 &&
	       write(fd, label, sizeof(*label)) == sizeof(*label) &&
	       lu_fill(fd, sizeof(*label), label->pages * PAGE, pattern_of(label));
}

/* A file that says whose it is. */
static inline int make_file(const struct label *label)
{
	int fd = memfd_create("race", 0);

	return fd >= 0 && fill_file(fd, label) ? fd : -1;
}

/* Whether a file is what was put into a session with that token; @label is filled. */
static inline bool is_whole(int fd, unsigned int token, struct label *label)
{
	unsigned long size;

	if (lseek(fd, 0, SEEK_SET) != 0 ||
	    read(fd, label, sizeof(*label)) != sizeof(*label))
		return false;
	size = label->pages * PAGE;
	return label->token == token && label->pages && label->pages <= MOST_PAGES &&
	       lseek(fd, 0, SEEK_END) == (off_t)size &&
	       lu_wrong(fd, sizeof(*label), size, pattern_of(label)) == size;
}

/* The same of a file of nobody's, for those who share its position. */
static inline bool is_whole_in_memory(int fd, unsigned int token)
{
	const struct label *label;
	const unsigned char *map;
	unsigned int pattern;
	struct stat stat;
	unsigned long size;
	bool whole;

	if (fstat(fd, &stat) || !stat.st_size)
		return false;
	size = stat.st_size;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return false;
	label = (const void *)map;
	pattern = pattern_of(label);
	whole = label->token == token && label->who == NOBODY &&
		label->pages * PAGE == size;
	for (unsigned long i = sizeof(*label); whole && i < size; i++)
		whole = map[i] == lu_pattern(i, pattern);
	munmap((void *)map, size);
	return whole;
}

/* The last one who has the session is killed. */
static inline bool close_by_dying(int session)
{
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			sleep(60);
	}
	return pid > 0 && close(session) == 0 && lu_kill(pid);
}

#endif /* SELFTESTS_LIVEUPDATE_RACES_H */
