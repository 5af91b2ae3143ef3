/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PCI devices as sysfs shows them: where they are, and which driver they have.
 *
 * Functions return -errno or something that is not negative. What waits has a
 * deadline.
 */

#ifndef SELFTESTS_LIVEUPDATE_PCI_H
#define SELFTESTS_LIVEUPDATE_PCI_H

#include "lu_test.h"

#include <dirent.h>
#include <time.h>

#include <linux/pci_regs.h>
#include <linux/prctl.h>

/* Where tests/vfio.rs of the VM harness puts devices: slots of bus 0. */
#define SLOT_EDU	4
#define SLOT_SWITCH	5
#define SLOT_NVME	6
/* More edu devices, as many as a test needs. */
#define SLOT_MORE	8

/* The root port of domain 1, where there is one. */
#define PORT_DOMAIN_1	"0001:40:00.0"

/* The vendor in the lower half, as configuration space has it. */
#define ID_EDU		0x11e81234
#define ID_NVME		0x00101b36

#define PCI_DEVICES	"/sys/bus/pci/devices"
#define PCI_RESCAN	"/sys/bus/pci/rescan"
#define PCI_PATH	128

/* "0000:00:00.0", and some room. */
#define BDF_LENGTH	16

/* For what takes a tenth of a second on an idle machine. */
#define PCI_DEADLINE_S	60

struct pci_name {
	char bdf[BDF_LENGTH];
};

static inline long pci_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Waits for a condition; false if it does not come true. */
#define WAIT_FOR(condition)						\
	({								\
		long end_ = pci_now() + PCI_DEADLINE_S;		\
		bool true_;						\
									\
		while (!(true_ = (condition)) && pci_now() < end_)	\
			poll(NULL, 0, 1);				\
		true_;							\
	})

/* Whether the kernel was told this. */
static inline bool pci_is_told(const char *argument)
{
	static char cmdline[4096];

	return lu_read_text("/proc/cmdline", cmdline, sizeof(cmdline)) &&
	       strstr(cmdline, argument);
}

/* Files of a device in sysfs. */

static inline int pci_open(const char *bdf, const char *file, int flags)
{
	char path[PCI_PATH];
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", bdf, file);
	fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

/* Writes the whole text at once. */
static inline int pci_write(const char *bdf, const char *file, const char *text)
{
	int fd = pci_open(bdf, file, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Where a symbolic link of a device leads to, or the link that the device is: "". */
static inline int pci_link(const char *bdf, const char *file, char *target)
{
	char path[PCI_PATH];
	ssize_t length;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s%s%s", bdf, *file ? "/" : "",
		 file);
	length = syscall(__NR_readlinkat, AT_FDCWD, path, target, PCI_PATH - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	return 0;
}

/* Reads configuration space as root may: 4 bytes, or fewer. */
static inline long pci_config(const char *bdf, unsigned int offset,
			      unsigned int length)
{
	int fd = pci_open(bdf, "config", O_RDONLY);
	__u32 value = 0;
	ssize_t done;

	if (fd < 0)
		return fd;
	done = syscall(__NR_pread64, fd, &value, length, offset);
	close(fd);
	return done == (ssize_t)length ? (long)value : -EIO;
}

static inline int pci_set_config(const char *bdf, unsigned int offset,
				 __u16 value)
{
	int fd = pci_open(bdf, "config", O_WRONLY);
	ssize_t done;

	if (fd < 0)
		return fd;
	done = syscall(__NR_pwrite64, fd, &value, sizeof(value), offset);
	close(fd);
	return done == sizeof(value) ? 0 : -EIO;
}

static inline bool pci_is_bus_master(const char *bdf)
{
	long command = pci_config(bdf, PCI_COMMAND, 2);

	return command >= 0 && command & PCI_COMMAND_MASTER;
}

/* Where a capability is in configuration space, or -errno. */
static inline int pci_find_capability(const char *bdf, unsigned int id)
{
	long at = pci_config(bdf, PCI_CAPABILITY_LIST, 1);

	/* A list that bites its tail does not keep anybody. */
	for (int i = 0; i < 48 && at > 0; i++) {
		if (pci_config(bdf, at + PCI_CAP_LIST_ID, 1) == (long)id)
			return at;
		at = pci_config(bdf, at + PCI_CAP_LIST_NEXT, 1);
	}
	return at < 0 ? at : -ENOENT;
}

/* The same, of an extended capability. */
static inline int pci_find_ext_capability(const char *bdf, unsigned int id)
{
	unsigned int at = PCI_CFG_SPACE_SIZE;

	for (int i = 0; i < 256 && at; i++) {
		long header = pci_config(bdf, at, 4);

		if (header < 0)
			return header;
		if (PCI_EXT_CAP_ID(header) == id)
			return at;
		at = PCI_EXT_CAP_NEXT(header);
	}
	return -ENOENT;
}

/* The first entry of a directory whose name begins so. */
static inline bool pci_find_entry(const char *directory, const char *prefix,
			      char *name, size_t size)
{
	DIR *dir = opendir(directory);
	struct dirent entry, *result;
	bool found = false;

	if (!dir)
		return false;
	while (!found && !readdir_r(dir, &entry, &result) && result) {
		found = !strncmp(entry.d_name, prefix, strlen(prefix));
		if (found)
			snprintf(name, size, "%s", entry.d_name);
	}
	closedir(dir);
	return found;
}

/* Finds a device by what it is and by a port that it is behind, however far. */
static inline bool pci_find_behind(const char *port, unsigned int id,
				   struct pci_name *name)
{
	DIR *dir = opendir(PCI_DEVICES);
	struct dirent entry, *result;
	char path[PCI_PATH];
	bool found = false;

	if (!dir)
		return false;
	while (!found && !readdir_r(dir, &entry, &result) && result) {
		if (entry.d_name[0] == '.')
			continue;
		found = !pci_link(entry.d_name, "", path) && strstr(path, port) &&
			pci_config(entry.d_name, 0, 4) == (long)id;
		if (found)
			snprintf(name->bdf, sizeof(name->bdf), "%s", entry.d_name);
	}
	closedir(dir);
	return found;
}

/* The same, by the slot of a root port. */
static inline bool pci_find(unsigned int slot, unsigned int id,
			    struct pci_name *name)
{
	char port[BDF_LENGTH];

	snprintf(port, sizeof(port), "0000:00:%02x.0", slot);
	return pci_find_behind(port, id, name);
}

/* Has devices looked for over and over, by a process to be ended by its id. */
static inline pid_t pci_keep_rescanning(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	/* Nobody has to wait for it, nor for what it has open. */
	syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
	syscall(__NR_close_range, 0U, ~0U, 0U);
	while (lu_write_text(PCI_RESCAN, "1"))
		;
	_exit(1);
}

/* Whether it was still at it. */
static inline bool pci_stop_rescanning(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

static inline bool pci_has_driver(const char *bdf, const char *driver)
{
	char target[PCI_PATH];
	char *name;

	if (pci_link(bdf, "driver", target))
		return false;
	name = strrchr(target, '/');
	return name && !strcmp(name + 1, driver);
}

/* Takes a device from its driver, if it has one. */
static inline int pci_unbind(const char *bdf)
{
	int err = pci_write(bdf, "driver/unbind", bdf);

	return err == -ENOENT ? 0 : err;
}

/* Has @driver bound to a device and no other one, or says why it is not. */
static inline int pci_bind(const char *bdf, const char *driver)
{
	int err;

	if (pci_has_driver(bdf, driver))
		return 0;
	err = pci_unbind(bdf);
	if (!err)
		err = pci_write(bdf, "driver_override", driver);
	if (err)
		return err;
	if (!lu_write_text("/sys/bus/pci/drivers_probe", bdf))
		return -errno;
	return pci_has_driver(bdf, driver) ? 0 : -ENODEV;
}

#endif /* SELFTESTS_LIVEUPDATE_PCI_H */
