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
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

/*
 * The end of a program's first stage: a child keeps the sessions open, so that
 * they are there when the machine live-updates.
 */
static inline void lu_hold_sessions(void)
{
	pid_t pid = fork();

	if (pid < 0)
		exit(1);
	if (pid)
		exit(0);
	setsid();
	close(0);
	close(1);
	close(2);
	for (;;)
		sleep(60);
}

#endif /* SELFTESTS_LIVEUPDATE_LU_TEST_H */
