/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel that is updated to, for the first program of a guest, and for
 * programs that load it themselves.
 */

#ifndef TESTING_VM_NEXT_KERNEL_H
#define TESTING_VM_NEXT_KERNEL_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kexec.h>

#define KERNEL		"/kernel"
#define INITRD		"/initrd.img"
#define CMDLINE		"/proc/cmdline"
/* Tells the second kernel's run by its command line. */
#define SECOND_STAGE	"luo_stage=2"
/* What the next kernel is told besides what this one was told. */
#define CMDLINE_AFTER	"/cmdline_after"

#define CMDLINE_MAX	2048

static bool read_line(const char *path, char *line)
{
	int fd = open(path, O_RDONLY);
	ssize_t length;

	line[0] = '\0';
	if (fd < 0)
		return false;
	length = read(fd, line, CMDLINE_MAX - 1);
	close(fd);
	if (length < 0)
		return false;
	if (length && line[length - 1] == '\n')
		length--;
	line[length] = '\0';
	return true;
}

/* Loads @kernel, with that command line. Gives what failed, or NULL. */
static const char *load_kernel(int kernel, const char *initrd_path, const char *cmdline)
{
	int initrd = open(initrd_path, O_RDONLY);
	/*
	 * nolibc keeps arguments in registers while it evaluates the next, so
	 * there must be no function call among them.
	 */
	size_t size = strlen(cmdline) + 1;
	long err;

	if (initrd < 0)
		return initrd_path;
	err = syscall(__NR_kexec_file_load, kernel, initrd, size, cmdline, 0UL);
	close(initrd);
	return err ? "kexec_file_load" : NULL;
}

/* The same, for the second stage of a program. @cmdline is that of this kernel. */
static const char *load_next_kernel(int kernel, const char *cmdline)
{
	char next[2 * CMDLINE_MAX], more[CMDLINE_MAX];

	/* There need not be such a file. */
	read_line(CMDLINE_AFTER, more);
	snprintf(next, sizeof(next), "%s " SECOND_STAGE " %s", cmdline, more);
	return load_kernel(kernel, INITRD, next);
}

#endif /* TESTING_VM_NEXT_KERNEL_H */
