// SPDX-License-Identifier: GPL-2.0
/*
 * VFIO and its handler as modules: when they can be unloaded, and that a device
 * is preserved after they have been loaded again. No live update comes of it.
 */

#include "edu.h"
#include "lu_harness.h"

#define TOKEN	7

/* Its last two modules are what this is about, in the order of their loading. */
#define HANDLER	"vfio_pci_liveupdate"
#define DRIVER	"vfio_pci"

static int unload(const char *name)
{
	return syscall(__NR_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

/* Loads what is not loaded. */
static bool load_all(void)
{
	char path[32];
	int fd;

	for (int number = 0;; number++) {
		snprintf(path, sizeof(path), "/modules/%d.ko", number);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			return number > 0;
		if (syscall(__NR_finit_module, fd, "", 0) && errno != EEXIST)
			return false;
		close(fd);
	}
}

FIXTURE(modules)
{
	int device;
	int session;
	struct pci_name name;
	struct vfio edu;
};

FIXTURE_SETUP(modules)
{
	ASSERT_TRUE(load_all());
	self->device = open(LU_DEVICE, O_RDWR);
	ASSERT_GE(self->device, 0);
	self->session = lu_create(self->device, "modules");
	ASSERT_GE(self->session, 0);
	ASSERT_TRUE(pci_find(SLOT_SWITCH, ID_EDU, &self->name));
	ASSERT_EQ(pci_bind(self->name.bdf, "vfio-pci"), 0);
	ASSERT_EQ(edu_open(&self->edu, self->name.bdf), 0);
}

FIXTURE_TEARDOWN(modules)
{
	close(self->session);
	vfio_close(&self->edu);
	close(self->device);
}

TEST_F(modules, the_handler_stays_loaded_while_a_device_is_preserved)
{
	ASSERT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
	EXPECT_EQ(unload(HANDLER), -EAGAIN);
	close(self->session);
	EXPECT_EQ(unload(HANDLER), 0);
}

TEST_F(modules, without_the_handler_no_device_is_preserved)
{
	ASSERT_EQ(unload(HANDLER), 0);
	EXPECT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), -ENOENT);
	ASSERT_TRUE(load_all());
	EXPECT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
}

TEST_F(modules, the_handler_does_not_keep_vfio_pci_loaded)
{
	vfio_close(&self->edu);
	EXPECT_EQ(unload(DRIVER), 0);
	ASSERT_TRUE(load_all());
	ASSERT_EQ(pci_bind(self->name.bdf, "vfio-pci"), 0);
	ASSERT_EQ(edu_open(&self->edu, self->name.bdf), 0);
	EXPECT_EQ(lu_preserve(self->session, self->edu.fd, TOKEN), 0);
}

TEST_HARNESS_MAIN
