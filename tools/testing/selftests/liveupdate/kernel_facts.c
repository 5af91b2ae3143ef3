// SPDX-License-Identifier: GPL-2.0
/*
 * Says what the running kernel has of what tests depend on, a line each. The
 * kernel is to be booted with liveupdate_memfd= on its command line: a parameter
 * that it does not know is passed on to the first process.
 */

#include "lu_test.h"

#include <sys/mount.h>

static void fact(const char *name, bool present)
{
	if (present)
		printf("# fact: %s\n", name);
}

static bool exists(const char *path)
{
	return syscall(__NR_faccessat, AT_FDCWD, path, F_OK) == 0;
}

/* Whether a file of some 100 KiB or less has @text in it; NULs count as bytes. */
static bool file_has(const char *path, const char *text)
{
	static char content[128 * 1024];
	int fd = open(path, O_RDONLY);
	size_t used = 0, length = strlen(text);
	ssize_t done;

	if (fd < 0)
		return false;
	while (used < sizeof(content) &&
	       (done = read(fd, content + used, sizeof(content) - used)) > 0)
		used += done;
	close(fd);
	for (size_t at = 0; at + length <= used; at++)
		if (!memcmp(content + at, text, length))
			return true;
	return false;
}

static off_t size_of(const char *path)
{
	int fd = open(path, O_RDONLY);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	close(fd);
	return size;
}

/* Symbols are there, and their addresses are not hidden. */
static bool has_symbols(void)
{
	char line[16];
	int fd = open("/proc/kallsyms", O_RDONLY);
	bool shown = fd >= 0 && read(fd, line, sizeof(line)) == sizeof(line) &&
		     memcmp(line, "0000000000000000", sizeof(line));

	close(fd);
	return shown;
}

/* It knows the parameter: the kernel gives those it does not know to init. */
static bool is_ours(void)
{
	return file_has("/proc/1/environ", "=") &&
	       !file_has("/proc/1/environ", "liveupdate_memfd=");
}

static bool has_memory_cgroups(void)
{
	mkdir("/tmp/cgroup", 0755);
	if (mount("none", "/tmp/cgroup", "cgroup2", 0, NULL))
		return false;
	return file_has("/tmp/cgroup/cgroup.controllers", "memory");
}

int main(void)
{
	fact("luo", exists(LU_DEVICE));
	fact("ours", is_ours());
	fact("swap", exists("/proc/swaps") && size_of("/dev/ram0") >= 64 << 20);
	fact("thp", exists("/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
	fact("memcg", has_memory_cgroups());
	fact("numa", exists("/sys/devices/system/node/node0"));
	fact("fail-nth", exists("/proc/thread-self/fail-nth") &&
			 exists("/sys/kernel/debug/failslab") &&
			 exists("/sys/kernel/debug/fail_page_alloc"));
	fact("symbols", has_symbols());
	fact("test-kho", exists("/sys/kernel/debug/kho/out/sub_fdts/kho_test"));
	fact("kunit", exists("/sys/kernel/debug/kunit/liveupdate_kho"));
	fact("kho-files", exists("/sys/kernel/debug/kho/out/sub_fdts"));
	fact("pagemap", exists("/proc/self/pagemap"));
	fact("huge-pages", exists("/sys/kernel/mm/hugepages"));
	fact("lean", !exists("/sys/kernel/debug/kmemleak"));
#ifdef __x86_64__
	fact("x86", true);
#endif
	printf("# that is all\n");
	return 0;
}
