/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the live update selftests share: the ioctls as functions that return
 * -errno, and the few system calls that nolibc has no wrapper for.
 */

#ifndef SELFTESTS_LIVEUPDATE_LU_TEST_H
#define SELFTESTS_LIVEUPDATE_LU_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/liveupdate.h>

/* A C library has the seals and O_PATH in its own headers, under _GNU_SOURCE. */
#ifdef NOLIBC
#include <linux/fcntl.h>
#include <linux/memfd.h>
#endif

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC	0x0020
#endif

#define LU_DEVICE	"/dev/liveupdate"

#define PAGE		4096UL

/* Some place in the address space where nothing is mapped. */
#define NOWHERE		((void *)8)

/* The kernel may say either: the header promises ENOTTY, mainline says EINVAL. */
#define EXPECT_UNKNOWN(err) EXPECT_TRUE((err) == -ENOTTY || (err) == -EINVAL)

/* Wrappers take plain values: a nolibc syscall() must not contain calls. */
static inline int lu_fcntl(int fd, int command, unsigned long argument)
{
	return syscall(__NR_fcntl, fd, command, argument);
}

static inline int lu_fallocate(int fd, int mode, unsigned long offset,
			       unsigned long length)
{
	return syscall(__NR_fallocate, fd, mode, offset, length);
}

static inline int lu_madvise(void *start, unsigned long length, int advice)
{
	return syscall(__NR_madvise, start, length, advice);
}

static inline int lu_ioctl(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) < 0 ? -errno : 0;
}

static inline int lu_create(int device, const char *name)
{
	struct liveupdate_ioctl_create_session args = { .size = sizeof(args) };
	int err;

	snprintf((char *)args.name, sizeof(args.name), "%s", name);
	err = lu_ioctl(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &args);
	return err ? err : args.fd;
}

static inline int lu_retrieve_session(int device, const char *name)
{
	struct liveupdate_ioctl_retrieve_session args = { .size = sizeof(args) };
	int err;

	snprintf((char *)args.name, sizeof(args.name), "%s", name);
	err = lu_ioctl(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &args);
	return err ? err : args.fd;
}

static inline int lu_preserve(int session, int fd, unsigned long long token)
{
	struct liveupdate_session_preserve_fd args = {
		.size = sizeof(args),
		.fd = fd,
		.token = token,
	};

	return lu_ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &args);
}

static inline int lu_retrieve(int session, unsigned long long token)
{
	struct liveupdate_session_retrieve_fd args = {
		.size = sizeof(args),
		.fd = -1,
		.token = token,
	};
	int err = lu_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &args);

	return err ? err : args.fd;
}

static inline int lu_finish(int session, unsigned int reserved)
{
	struct liveupdate_session_finish args = {
		.size = sizeof(args),
		.reserved = reserved,
	};

	return lu_ioctl(session, LIVEUPDATE_SESSION_FINISH, &args);
}

/* The lowest free descriptor: the same before and after if none leaked. */
static inline int lu_next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* Lets this process have @count descriptors and a few more. */
static inline int lu_allow_fds(unsigned long count)
{
	struct rlimit limit = {
		.rlim_cur = count + 64,
		.rlim_max = count + 64,
	};

	return setrlimit(RLIMIT_NOFILE, &limit);
}

/* What is in a file of /proc, up to @size - 1 bytes and a NUL. */
static inline bool lu_read_text(const char *path, char *content, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, content, size - 1);
	close(fd);
	if (length < 0)
		return false;
	content[length] = '\0';
	return true;
}

/* The number behind "@name=" on the kernel's command line, or @otherwise. */
static inline unsigned long lu_parameter(const char *name, unsigned long otherwise)
{
	static char cmdline[4096];
	const char *found;

	if (!lu_read_text("/proc/cmdline", cmdline, sizeof(cmdline)))
		return otherwise;
	found = strstr(cmdline, name);
	if (!found || found[strlen(name)] != '=')
		return otherwise;
	return strtoul(found + strlen(name) + 1, NULL, 0);
}

/* The number behind "<@key>:" in /proc/meminfo, in KiB, or -1. */
static inline long lu_meminfo(const char *key)
{
	int fd = open("/proc/meminfo", O_RDONLY);
	static char text[8192];
	ssize_t length;
	char *found;

	if (fd < 0)
		return -1;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length < 0)
		return -1;
	text[length] = '\0';
	found = strstr(text, key);
	if (!found)
		return -1;
	found += strlen(key) + 1;
	while (*found == ' ')
		found++;
	return strtol(found, NULL, 10);
}

/* Writes a string to a file of /proc or /sys. */
static inline bool lu_write_text(const char *path, const char *content)
{
	int fd = open(path, O_WRONLY);
	ssize_t length = strlen(content);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, content, length) == length;
	close(fd);
	return done;
}

/*
 * Where random choices begin: "lu_seed=" of the command line, so that they can be
 * made again. Each @who makes others.
 */
static inline unsigned long lu_seed(unsigned int who)
{
	unsigned long seed = lu_parameter("lu_seed", 1);

	/* Never zero, which stays zero. */
	return (seed ^ (who + 1) * 0x9e3779b97f4a7c15UL) | 1UL << 63;
}

/* The next choice out of @count. */
static inline unsigned int lu_random(unsigned long *state, unsigned int count)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 32) % count;
}

/* Pages on the lists of the processors are free, but not counted so: keep few there. */
static inline bool lu_count_free_memory_exactly(void)
{
	return lu_write_text("/proc/sys/vm/percpu_pagelist_high_fraction",
			     "100000");
}

/*
 * Free memory in KiB, to the page, or -1. MemFree leaves out what is on the lists
 * of the processors, and what they have not handed in yet.
 */
static inline long lu_free_memory(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);
	FILE *zones = fopen("/proc/zoneinfo", "r");
	long pages = 0, count;
	char line[256];

	if (fd < 0 || !zones)
		return -1;
	/* Reading it has them hand it in. */
	if (read(fd, line, sizeof(line)) < 0)
		return -1;
	close(fd);
	while (fgets(line, sizeof(line), zones))
		if (sscanf(line, " pages free %ld", &count) == 1 ||
		    sscanf(line, " count: %ld", &count) == 1)
			pages += count;
	fclose(zones);
	return pages * (PAGE >> 10);
}

/* Microseconds since some time. */
static inline long lu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

/* Lets others run for that many microseconds: shorter than a sleep can be. */
static inline void lu_linger(long us)
{
	long until = lu_now() + us;

	while (lu_now() < until)
		sched_yield();
}

/*
 * What must come true without more to be done, and is not there yet. Machines
 * that are slow have "lu_patience=" on the command line.
 */
#define LU_DEADLINE_US	(20 * 1000000L)

#define lu_comes_true(condition)					\
({									\
	long until_ = lu_now() +					\
		      LU_DEADLINE_US * (long)lu_parameter("lu_patience", 1); \
									\
	while (!(condition) && lu_now() < until_)			\
		sched_yield();						\
	(condition);							\
})

/* Memory that children see, too. */
static inline void *lu_shared_memory(size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return map == MAP_FAILED ? NULL : map;
}

/* A child that waits to be killed must not be left when its parent gives up. */
static inline void lu_die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/* A fork() after which both have one table of descriptors. */
static inline pid_t lu_fork_with_same_fds(void)
{
	return syscall(__NR_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
}

/*
 * Kills this process in so many microseconds, whatever it is doing then. To the
 * kernel a signal that ends a process is the same as SIGKILL, and a timer of its
 * own hits it where another process would be late.
 */
static inline void lu_die_in(unsigned int us)
{
	struct itimerval timer = {
		.it_value = {
			.tv_sec = us / 1000000,
			.tv_usec = us % 1000000,
		},
	};

	syscall(__NR_setitimer, ITIMER_REAL, &timer, NULL);
}

/* A child is killed, and nothing of it is left when this returns. */
static inline bool lu_kill(pid_t pid)
{
	int status;

	return kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid &&
	       WIFSIGNALED(status);
}

/* The descriptor @fd of the process @pid, for this one. */
static inline int lu_take_fd(pid_t pid, int fd)
{
	int pidfd = syscall(__NR_pidfd_open, pid, 0);
	int taken;

	if (pidfd < 0)
		return -errno;
	taken = syscall(__NR_pidfd_getfd, pidfd, fd, 0);
	if (taken < 0)
		taken = -errno;
	close(pidfd);
	return taken;
}

/* Not where the kernel looks for its own leaks: what it takes for that comes and goes. */
static inline bool lu_free_memory_tells(void)
{
	return access("/sys/kernel/debug/kmemleak", F_OK) != 0;
}

/*
 * The KiB of memory that there are, as soon as they are more than @total. The rest
 * of the boot gives back in the background what lies between preserved pages.
 */
static inline long lu_wait_for_memory(long total)
{
	for (int tries = 0; tries < 300 && lu_meminfo("MemTotal") <= total; tries++)
		usleep(100000);
	return lu_meminfo("MemTotal");
}

/* The byte at @offset of the file number @seed: no two pages are the same. */
static inline unsigned char lu_pattern(unsigned long offset, unsigned int seed)
{
	return (offset >> 12) * 31 + offset * 7 + seed * 101 + 1;
}

static inline bool lu_fill(int fd, unsigned long from, unsigned long to,
			   unsigned int seed)
{
	static unsigned char page[PAGE];

	if (lseek(fd, from, SEEK_SET) != (off_t)from)
		return false;
	while (from < to) {
		unsigned long length = to - from < PAGE ? to - from : PAGE;

		for (unsigned long i = 0; i < length; i++)
			page[i] = lu_pattern(from + i, seed);
		if (write(fd, page, length) != (ssize_t)length)
			return false;
		from += length;
	}
	return true;
}

/* The first offset in [@from, @to) that is wrong, or @to; @seed 0 stands for zeroes. */
static inline unsigned long lu_wrong(int fd, unsigned long from,
				     unsigned long to, unsigned int seed)
{
	static unsigned char page[PAGE];

	if (lseek(fd, from, SEEK_SET) != (off_t)from)
		return from;
	while (from < to) {
		unsigned long length = to - from < PAGE ? to - from : PAGE;

		if (read(fd, page, length) != (ssize_t)length)
			return from;
		for (unsigned long i = 0; i < length; i++) {
			if (page[i] != (seed ? lu_pattern(from + i, seed) : 0))
				return from + i;
		}
		from += length;
	}
	return to;
}

/* Ends the first stage with the line in which something failed. */
#define NEED(condition)							\
	do {								\
		if (!(condition)) {					\
			printf("# line %d: " #condition ": errno %d\n",	\
			       __LINE__, errno);			\
			exit(1);					\
		}							\
	} while (0)

/*
 * What a kexec that fails must leave: sessions and files that can be worked with.
 * @preserved is in the session, which has this @name, and so is the token 1.
 */
static inline void lu_need_usable(int device, const char *name, int session,
				  int preserved)
{
	int other = memfd_create("other", 0);
	int fresh = lu_create(device, "fresh");

	NEED(other >= 0 && lu_fill(other, 0, PAGE, 9));
	NEED(fresh >= 0);
	NEED(lu_create(device, name) == -EEXIST);
	NEED(lu_preserve(session, preserved, 77) == -EBUSY);
	NEED(lu_preserve(session, other, 1) == -EEXIST);
	NEED(lu_preserve(fresh, other, 1) == 0);
	NEED(ftruncate(other, 2 * PAGE) == -1);
	close(fresh);
	NEED(ftruncate(other, 2 * PAGE) == 0);
	close(other);
	NEED(lu_fill(preserved, 0, PAGE, 1));
}

/* A child that goes on when the program is done, for init waits for its output. */
static inline void lu_detach(void)
{
	setsid();
	close(0);
	close(1);
	close(2);
}

/* A child keeps the sessions open, so that they are there at the live update. */
static inline void lu_keep_sessions(void)
{
	pid_t pid = fork();

	if (pid < 0)
		exit(1);
	if (pid)
		return;
	lu_detach();
	for (;;)
		sleep(60);
}

/* The end of a program's first stage. */
static inline void lu_hold_sessions(void)
{
	lu_keep_sessions();
	exit(0);
}

#endif /* SELFTESTS_LIVEUPDATE_LU_TEST_H */
