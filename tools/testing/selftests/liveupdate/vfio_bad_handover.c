// SPDX-License-Identifier: GPL-2.0
/*
 * Hands over all edu devices of the machine, and says what became of each in the
 * next kernel. What is handed over may be damaged on the way: before the live
 * update the program says where the jump is and waits for a line on the console.
 * Run with "-s 1" before the live update and with "-s 2" after it. A kernel that is
 * told "bridges=anew" has the bridges above the devices bound anew in the end.
 */

#include "jump.h"
#include "edu.h"

#define PAGES		4
#define DEVICE_TOKEN	1
#define MEMFD_TOKEN	2
#define MOST_DEVICES	8

/* The root port in the first slot that tests/vfio_handover.rs uses. */
#define FIRST_PORT	"0000:00:04.0"

/* The session of a memfd with the names of all devices. */
#define NAMES		"names"
#define NAMES_TOKEN	3

/* Finds the edu devices, in any order. */
static unsigned int find_edus(struct pci_name *names)
{
	struct dirent entry, *result;
	unsigned int count = 0;
	DIR *dir = opendir(PCI_DEVICES);

	NEED(dir);
	while (!readdir_r(dir, &entry, &result) && result) {
		if (entry.d_name[0] == '.' ||
		    pci_config(entry.d_name, 0, 4) != (long)ID_EDU)
			continue;
		NEED(count < MOST_DEVICES);
		snprintf(names[count++].bdf, BDF_LENGTH, "%s", entry.d_name);
	}
	closedir(dir);
	return count;
}

/* Devices may be of one IOMMU group, and then must share an address space. */
static void hand_over_one(int device, const char *bdf, struct vfio *space)
{
	int session = lu_create(device, bdf);
	int memfd = memfd_create("buffer", 0);
	struct vfio edu;

	NEED(session >= 0 && lu_fill(memfd, 0, PAGES * PAGE, 1));
	NEED(pci_bind(bdf, "vfio-pci") == 0);
	if (space->iommufd < 0) {
		NEED(edu_open(&edu, bdf) == 0);
		*space = edu;
	} else {
		NEED(vfio_share(&edu, vfio_open_cdev(bdf), space) == 0);
		NEED(edu_start(&edu) == 0);
	}
	NEED(lu_preserve(session, edu.fd, DEVICE_TOKEN) == 0);
	NEED(lu_preserve(session, memfd, MEMFD_TOKEN) == 0);
	printf("# device at %s\n", bdf);
}

/* Devices may be gone, but the next kernel's user knows what there was. */
static void hand_over_names(int device, const struct pci_name *names,
			    unsigned int count)
{
	ssize_t length = count * sizeof(*names);
	int session = lu_create(device, NAMES);
	int memfd = memfd_create(NAMES, 0);

	NEED(session >= 0 && memfd >= 0);
	NEED(write(memfd, names, length) == length);
	NEED(lu_preserve(session, memfd, NAMES_TOKEN) == 0);
}

static unsigned int get_names(int device, struct pci_name *names)
{
	ssize_t length = MOST_DEVICES * sizeof(*names);
	int session = lu_retrieve_session(device, NAMES);
	int memfd = lu_retrieve(session, NAMES_TOKEN);

	NEED(memfd >= 0 && lseek(memfd, 0, SEEK_SET) == 0);
	length = read(memfd, names, length);
	NEED(length > 0 && lu_finish(session, 0) == 0);
	return length / sizeof(*names);
}

static int hand_over(void)
{
	struct pci_name names[MOST_DEVICES] = {};
	struct vfio space = { .iommufd = -1 };
	int device = open(LU_DEVICE, O_RDWR);
	unsigned int count = find_edus(names);

	NEED(device >= 0 && count > 0);
	for (unsigned int i = 0; i < count; i++)
		hand_over_one(device, names[i].bdf, &space);
	hand_over_names(device, names, count);
	lu_keep_sessions();
	return lu_wait_before_jump();
}

/* Whether a device that was opened carries a page of a memfd to another one. */
static bool works(struct vfio *edu, int fd, int memfd)
{
	bool done = edu_take_over(edu, fd, memfd, PAGES * PAGE) == 0 &&
		    edu_copies_page(edu, memfd, 0, 1);

	vfio_close(edu);
	return done;
}

/* What somebody finds who knows nothing of a live update. */
static void look_as_stranger(const char *bdf)
{
	struct vfio edu = { .fd = -1, .iommufd = -1 };
	int memfd, fd, err;

	if (pci_is_bus_master(bdf))
		printf("# %s: reaches memory on its own\n", bdf);
	err = pci_bind(bdf, "vfio-pci");
	if (err) {
		printf("# %s: gets no driver: %d\n", bdf, err);
		return;
	}
	memfd = memfd_create("another", 0);
	NEED(lu_fill(memfd, 0, PAGES * PAGE, 2));
	fd = vfio_open_cdev(bdf);
	if (fd == -EBUSY)
		printf("# %s: is reserved\n", bdf);
	else if (fd < 0)
		printf("# %s: cannot be opened: %d\n", bdf, fd);
	else if (!works(&edu, fd, memfd))
		printf("# %s: can be opened, but does not work\n", bdf);
	else
		printf("# %s: is ordinary\n", bdf);
	close(memfd);
}

/*
 * Has the bus looked for again that a device was on, behind the port in the first
 * slot: its number may have got lost.
 */
static void look_again(const char *bdf)
{
	unsigned int bus = strtoul(bdf + strlen("0000:"), NULL, 16);

	/* A port that was enabled without windows to memory gets none later. */
	NEED(pci_unbind(FIRST_PORT) == 0);
	NEED(pci_set_config(FIRST_PORT, PCI_SECONDARY_BUS, bus << 8 | bus) == 0);
	NEED(lu_write_text(PCI_RESCAN, "1"));
	NEED(pci_bind(FIRST_PORT, "pcieport") == 0);
	if (pci_bind(bdf, "vfio-pci") == 0)
		printf("# %s: was found late\n", bdf);
}

/* What its owner finds. */
static void look_as_owner(int device, const char *bdf)
{
	int session = lu_retrieve_session(device, bdf);
	struct vfio edu = { .fd = -1, .iommufd = -1 };
	int fd, memfd;

	if (session < 0) {
		printf("# %s: no session: %d\n", bdf, session);
		return;
	}
	fd = lu_retrieve(session, DEVICE_TOKEN);
	if (fd == -EAGAIN) {
		printf("# %s: is awaited\n", bdf);
		look_again(bdf);
		fd = lu_retrieve(session, DEVICE_TOKEN);
	}
	memfd = lu_retrieve(session, MEMFD_TOKEN);
	if (fd < 0)
		printf("# %s: not retrieved: %d\n", bdf, fd);
	else if (memfd < 0 || !works(&edu, fd, memfd))
		printf("# %s: retrieved, but does not work\n", bdf);
	else
		printf("# %s: retrieved and works\n", bdf);
	printf("# %s: finish: %d\n", bdf, lu_finish(session, 0));
	close(session);
}

/* Takes the bridges above a device from their driver, and gives them back. */
static int bind_bridges_anew(const char *bdf)
{
	char path[PCI_PATH], *bridge, *next;
	int err = pci_link(bdf, "", path);

	/* Of ../../../devices/pci0000:00/0000:00:04.0/0000:01:00.0 all but the last. */
	bridge = err ? NULL : strchr(strstr(path, "pci"), '/');
	while (!err && bridge && (next = strchr(bridge + 1, '/'))) {
		*next = '\0';
		err = pci_unbind(bridge + 1);
		if (!err)
			err = pci_bind(bridge + 1, "pcieport");
		*next = '/';
		bridge = next;
	}
	return err;
}

/* What a device is worth to anybody after that. */
static void look_behind_bridges(const char *bdf)
{
	int memfd = memfd_create("yet another", 0);
	int err = bind_bridges_anew(bdf);
	struct vfio edu;

	NEED(lu_fill(memfd, 0, PAGES * PAGE, 3));
	if (err)
		printf("# %s: is behind a bridge without a driver: %d\n", bdf, err);
	else if (works(&edu, vfio_open_cdev(bdf), memfd))
		printf("# %s: works behind bridges bound anew\n", bdf);
	close(memfd);
}

/* The next live update is possible, whatever became of this one. */
static void look_ahead(int device, const char *bdf)
{
	int session = lu_create(device, "a-new-one");
	struct vfio edu;

	if (edu_open(&edu, bdf) == 0 && lu_preserve(session, edu.fd, 1) == 0)
		printf("# %s: can be preserved again\n", bdf);
	close(session);
	vfio_close(&edu);
}

static int look_around(void)
{
	struct pci_name here[MOST_DEVICES], before[MOST_DEVICES];
	int device = open(LU_DEVICE, O_RDWR);
	unsigned int count = find_edus(here);
	unsigned int count_before;

	NEED(device >= 0);
	for (unsigned int i = 0; i < count; i++)
		look_as_stranger(here[i].bdf);
	count_before = get_names(device, before);
	for (unsigned int i = 0; i < count_before; i++)
		look_as_owner(device, before[i].bdf);
	for (unsigned int i = 0; i < count && pci_is_told("bridges=anew"); i++)
		look_behind_bridges(here[i].bdf);
	for (unsigned int i = 0; i < count; i++)
		look_ahead(device, here[i].bdf);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "1"))
		return hand_over();
	return look_around();
}
