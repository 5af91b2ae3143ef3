// SPDX-License-Identifier: GPL-2.0
/*
 * The first program of a guest: runs /test_binary before and after a live
 * update. Where there is a /kernel, it is loaded before the program runs and
 * started once it is done; the command line tells the second run by
 * "luo_stage=2", and has what is in /cmdline_after, if there is such a file.
 *
 * With "lu_updates=N" there are N live updates in a row, from the kernel in
 * /chain/0 to that in /chain/1 and back. Each boot hands on the initramfs that
 * it came with, which the kernel keeps if told to by "retain_initrd", and how
 * many updates there were, as "lu_done=" at the end of the command line.
 *
 * "lu_look=after" leaves the search for leaks to the second kernel, where the
 * first one does over and over what has been looked at elsewhere.
 *
 * What the program prints goes to the kernel's log a line at a time. The
 * console then shows each line in one piece and in the right order among the
 * kernel's own, where a serial port shared by both mixes them up.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "next_kernel.h"

#define PROGRAM		"/test_binary"

#define CHAIN		"/chain"
#define CHAIN_KERNELS	2
#define UPDATES		"lu_updates="
#define UPDATES_DONE	" lu_done="
#define RETAINED_INITRD	"/sys/firmware/initrd"
#define LOOK_AFTER	"lu_look=after"

/* What a kernel says that knows of the one before it. */
#define PREDECESSOR	"exec from: "
#define READ_WHOLE_LOG	3
#define LOG_MAX		(512 * 1024)

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define KMEMLEAK_AGE_S	5

/* A record of the kernel's log holds about 1000 bytes. */
#define LINE_MAX_BYTES	900
/* KERN_NOTICE: shown with loglevel=6, which hides the kernel's own chatter. */
#define LEVEL		"<5>"

static int kmsg = -1;

static void say(const char *text)
{
	char record[LINE_MAX_BYTES + 8];

	snprintf(record, sizeof(record), LEVEL "%s", text);
	if (kmsg >= 0)
		write(kmsg, record, strlen(record));
	else
		printf("%s\n", text);
}

/* Ends the guest: QEMU runs with -no-reboot. */
static void give_up(const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "lu-init: %s failed: %s", what,
		 strerror(errno));
	say(text);
	reboot(RB_AUTOBOOT);
	exit(1);
}

static void mount_at(const char *type, const char *dir)
{
	if (mount(type, dir, type, 0, NULL) && errno != EBUSY)
		give_up(dir);
}

static void set_up(void)
{
	int fd;

	mkdir("/dev", 0755);
	mount_at("devtmpfs", "/dev");
	kmsg = open("/dev/kmsg", O_WRONLY);
	if (kmsg < 0)
		give_up("/dev/kmsg");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	/* Not every kernel has it, and not every program asks for it. */
	mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount_at("tmpfs", "/tmp");
	/* It scans when it is told to: by itself, it keeps everybody from allocating. */
	fd = open(KMEMLEAK, O_WRONLY);
	if (fd >= 0 && write(fd, "scan=off", 8) != 8)
		give_up(KMEMLEAK);
	close(fd);
}

/* Loads the modules of this kernel: DIR/modules/0.ko, DIR/modules/1.ko and so on. */
static void load_modules(const char *dir)
{
	char path[64];

	for (int number = 0;; number++) {
		int fd;

		snprintf(path, sizeof(path), "%s/modules/%d.ko", dir, number);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			return;
		if (syscall(__NR_finit_module, fd, "", 0))
			give_up(path);
		close(fd);
	}
}

/* The number behind @key on the command line, or 0. */
static unsigned int number_of(const char *cmdline, const char *key)
{
	const char *found = strstr(cmdline, key);

	return found ? strtoul(found + strlen(key), NULL, 10) : 0;
}

/* A directory of that name holds ACPI tables, not a kernel. */
static int open_kernel(const char *dir)
{
	struct stat stat;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s" KERNEL, dir);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return fd;
	if (fstat(fd, &stat))
		give_up(path);
	if (S_ISREG(stat.st_mode))
		return fd;
	close(fd);
	return -1;
}

/* Copies what the program prints to the log until no process can print more. */
static void log_lines(int from)
{
	char line[LINE_MAX_BYTES];
	size_t used = 0;
	char chunk[512];
	ssize_t length;

	while ((length = read(from, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < length; i++) {
			if (chunk[i] != '\n')
				line[used++] = chunk[i];
			if (chunk[i] != '\n' && used < sizeof(line) - 1)
				continue;
			line[used] = '\0';
			if (used)
				say(line);
			used = 0;
		}
	}
	line[used] = '\0';
	if (used)
		say(line);
}

/* A program that runs once, with no live update to come, has no stage. */
static int run_program(const char *stage)
{
	char *const argv[] = { PROGRAM, stage ? "-s" : NULL, (char *)stage, NULL };
	char *const envp[] = { "HOME=/", "PATH=/", NULL };
	int status, pipe_fds[2];
	pid_t pid;

	if (pipe(pipe_fds))
		give_up("pipe");
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid) {
		dup2(pipe_fds[1], STDOUT_FILENO);
		dup2(pipe_fds[1], STDERR_FILENO);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		close(kmsg);
		execve(PROGRAM, argv, envp);
		_exit(127);
	}
	close(pipe_fds[1]);
	log_lines(pipe_fds[0]);
	close(pipe_fds[0]);
	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	return status;
}

/*
 * Says what memory the kernel has lost track of, where it can tell. What is
 * younger than five seconds does not count, and what no second look finds may
 * have been in a register only. Processes that are still busy have to wait: they
 * would make minutes of it.
 */
static void look_for_leaks(void)
{
	int priority = 1, fd = open(KMEMLEAK, O_RDWR);
	int from;

	if (fd < 0)
		return;
	sleep(KMEMLEAK_AGE_S + 1);
	if (syscall(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority))
		give_up("sched_setscheduler");
	for (int i = 0; i < 2; i++) {
		if (write(fd, "scan", 4) != 4)
			give_up(KMEMLEAK);
	}
	close(fd);
	from = open(KMEMLEAK, O_RDONLY);
	if (from < 0)
		give_up(KMEMLEAK);
	log_lines(from);
	close(from);
}

/* Runs the program to its good end, or ends the guest. Then @looks for leaks. */
static void pass_stage(const char *stage, bool looks)
{
	const char *name = stage ? stage : "only";
	int status = run_program(stage);
	char text[128];

	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		snprintf(text, sizeof(text),
			 "lu-init: stage %s failed: the program %s %d", name,
			 WIFEXITED(status) ? "exited with" : "died of signal",
			 WIFEXITED(status) ? WEXITSTATUS(status) :
					     WTERMSIG(status));
		say(text);
		reboot(RB_AUTOBOOT);
		exit(1);
	}
	if (looks)
		look_for_leaks();
	snprintf(text, sizeof(text), "lu-init: stage %s done", name);
	say(text);
}

/* Repeats, loud enough to be seen, where the kernel says it comes from. */
static void say_predecessor(void)
{
	static char log[LOG_MAX];
	char text[256], *found, *end;
	int length;

	length = syscall(__NR_syslog, READ_WHOLE_LOG, log, sizeof(log) - 1);
	if (length < 0)
		give_up("reading the log");
	log[length] = '\0';
	found = strstr(log, PREDECESSOR);
	if (!found)
		return;
	end = strchr(found, '\n');
	if (end)
		*end = '\0';
	snprintf(text, sizeof(text), "lu-init: the kernel says: %s", found);
	say(text);
}

/* One boot of many; does not return. */
static void run_chain(char *cmdline)
{
	unsigned int updates = number_of(cmdline, UPDATES);
	unsigned int done = number_of(cmdline, UPDATES_DONE);
	char dir[32], stage[16], next[CMDLINE_MAX + 32];
	char *end = strstr(cmdline, UPDATES_DONE);
	const char *failed;
	int kernel;

	snprintf(dir, sizeof(dir), CHAIN "/%u", done % CHAIN_KERNELS);
	load_modules(dir);
	say_predecessor();

	/* The last boot has a kernel loaded as well, to have no more memory than others. */
	snprintf(dir, sizeof(dir), CHAIN "/%u", (done + 1) % CHAIN_KERNELS);
	kernel = open_kernel(dir);
	if (kernel < 0)
		give_up(dir);
	if (end)
		*end = '\0';
	snprintf(next, sizeof(next), "%s" UPDATES_DONE "%u", cmdline, done + 1);
	failed = load_kernel(kernel, RETAINED_INITRD, next);
	if (failed)
		give_up(failed);

	/* To look takes longer than all the rest: each kernel does first and last. */
	snprintf(stage, sizeof(stage), "%u", done + 1);
	pass_stage(stage, done < CHAIN_KERNELS || done + CHAIN_KERNELS > updates);
	reboot(done < updates ? RB_KEXEC : RB_AUTOBOOT);
	give_up("reboot");
}

/* The only live update, or none. */
static void run_once(const char *cmdline)
{
	bool second = strstr(cmdline, SECOND_STAGE);
	const char *stage, *failed;
	int kernel;

	load_modules("");
	kernel = open_kernel("");
	if (second)
		stage = "2";
	else
		stage = kernel >= 0 ? "1" : NULL;
	failed = kernel >= 0 ? load_next_kernel(kernel, cmdline) : NULL;
	if (failed)
		give_up(failed);
	pass_stage(stage, second || !strstr(cmdline, LOOK_AFTER));
	reboot(kernel >= 0 ? RB_KEXEC : RB_AUTOBOOT);
	give_up("reboot");
}

int main(void)
{
	char cmdline[CMDLINE_MAX];

	set_up();
	if (!read_line(CMDLINE, cmdline))
		give_up(CMDLINE);
	if (strstr(cmdline, UPDATES))
		run_chain(cmdline);
	else
		run_once(cmdline);
	return 1;
}
