/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PCI devices that cross a live update: what the PCI core tells and asks, and
 * what drivers that preserve their devices call. Implemented in Rust; see
 * kernel/liveupdate/rust/handlers/pci.rs.
 */
#ifndef _LINUX_PCI_LIVEUPDATE_H
#define _LINUX_PCI_LIVEUPDATE_H

#include <linux/errno.h>
#include <linux/types.h>

struct liveupdate_file_handler;
struct pci_bus;
struct pci_dev;

/**
 * struct pci_liveupdate - What live update knows of a device
 * @slot:          Where it is in the table for the next kernel, counted from 1.
 *                 0: it is not preserved.
 * @acs_ctrl:      The ACS controls that it came with.
 * @incoming:      The previous kernel preserved it, and nobody has finished it.
 * @was_incoming:  The previous kernel preserved it.
 * @needs_reset:   Nobody knows what the previous kernel left it doing.
 * @running:       The previous kernel left it doing what it did.
 * @at_jump:       A &enum pci_liveupdate_jump.
 *
 * Private to the implementation.
 */
struct pci_liveupdate {
	u32 slot;
	u32 acs_ctrl;
	bool incoming;
	bool was_incoming;
	bool needs_reset;
	bool running;
	u32 at_jump;
};

/**
 * enum pci_liveupdate_jump - What to do with a preserved device at the kexec
 * @PCI_LIVEUPDATE_LEAVE: Nothing.
 * @PCI_LIVEUPDATE_STOP:  Keep it from reaching memory and from interrupting.
 * @PCI_LIVEUPDATE_RESET: The same, and reset it if that is possible.
 */
enum pci_liveupdate_jump {
	PCI_LIVEUPDATE_LEAVE,
	PCI_LIVEUPDATE_STOP,
	PCI_LIVEUPDATE_RESET,
};

#ifdef CONFIG_PCI_LIVEUPDATE

/*
 * For drivers whose files represent a device. All of these may sleep; none
 * takes the lock of PCI scanning.
 */

/* Has the table of devices preserved with files of a handler. */
int pci_liveupdate_register_flb(struct liveupdate_file_handler *fh);
void pci_liveupdate_unregister_flb(struct liveupdate_file_handler *fh);

/*
 * Preserves a device and all bridges above it, from the handler's preserve().
 *
 * -EINVAL: it is a virtual function, or the kexec has begun; -EBUSY: it is
 * preserved; -ENOENT: the handler is not registered with the table; -ENOMEM,
 * -ENOSPC: there is no room in the table. Nothing has changed then.
 */
int pci_liveupdate_preserve(struct pci_dev *dev);

/* Takes that back, from the handler's unpreserve(). */
void pci_liveupdate_unpreserve(struct pci_dev *dev);

/* Says that the driver is through with a device of the previous kernel. */
void pci_liveupdate_finish(struct pci_dev *dev);

/* Whether the previous kernel preserved it and nobody has finished it. */
bool pci_liveupdate_is_incoming(struct pci_dev *dev);

/*
 * Whether the previous kernel preserved a device there that nobody has finished
 * and that was not removed. Where none is there, it has not been found yet.
 */
bool pci_liveupdate_is_expected(u32 domain, u16 bdf);

/* What to do with it when nothing can stop the kexec any more. */
void pci_liveupdate_at_jump(struct pci_dev *dev, enum pci_liveupdate_jump jump);

/* Whether it is to be taken over as it runs: known once its file is retrieved. */
void pci_liveupdate_set_running(struct pci_dev *dev, bool running);
bool pci_liveupdate_is_running(struct pci_dev *dev);

/* For the PCI core. */

/* When it is found, before its BARs are looked at. */
void pci_liveupdate_setup_device(struct pci_dev *dev);
/* When it goes, with the lock of PCI scanning held. */
void pci_liveupdate_cleanup_device(struct pci_dev *dev);

/* Whether bridges keep their bus numbers. The answer never goes back to no. */
bool pci_liveupdate_preserve_bus_numbers(void);
/* Whether no number of @bus may be given to @dev, a bridge that has none. */
bool pci_liveupdate_refuse_bus_numbers(struct pci_bus *bus, struct pci_dev *dev);

/* Notes the ACS controls that it came with. */
void pci_liveupdate_init_acs(struct pci_dev *dev);
/* Sets them again; false if they are not to be kept. */
bool pci_liveupdate_inherit_acs(struct pci_dev *dev);
/* Keeps ARI forwarding as it is; false if that is not wanted. */
bool pci_liveupdate_inherit_ari(struct pci_dev *bridge);

/* Whether a driver may have it, one that @can_liveupdate or another. */
bool pci_liveupdate_may_bind(struct pci_dev *dev, bool can_liveupdate);
/* Before a driver has it, with its lock held. -ENODEV: no driver may have it. */
int pci_liveupdate_prepare_probe(struct pci_dev *dev);

/* At shutdown, with its lock held. Whether to leave it as it is. */
bool pci_liveupdate_shutdown(struct pci_dev *dev);

#else

static inline int pci_liveupdate_register_flb(struct liveupdate_file_handler *fh)
{
	return -EOPNOTSUPP;
}

static inline void pci_liveupdate_unregister_flb(struct liveupdate_file_handler *fh)
{
}

static inline int pci_liveupdate_preserve(struct pci_dev *dev)
{
	return -EOPNOTSUPP;
}

static inline void pci_liveupdate_unpreserve(struct pci_dev *dev)
{
}

static inline void pci_liveupdate_finish(struct pci_dev *dev)
{
}

static inline bool pci_liveupdate_is_incoming(struct pci_dev *dev)
{
	return false;
}

static inline bool pci_liveupdate_is_expected(u32 domain, u16 bdf)
{
	return false;
}

static inline void pci_liveupdate_at_jump(struct pci_dev *dev,
					  enum pci_liveupdate_jump jump)
{
}

static inline void pci_liveupdate_set_running(struct pci_dev *dev, bool running)
{
}

static inline bool pci_liveupdate_is_running(struct pci_dev *dev)
{
	return false;
}

static inline void pci_liveupdate_setup_device(struct pci_dev *dev)
{
}

static inline void pci_liveupdate_cleanup_device(struct pci_dev *dev)
{
}

static inline bool pci_liveupdate_preserve_bus_numbers(void)
{
	return false;
}

static inline bool pci_liveupdate_refuse_bus_numbers(struct pci_bus *bus,
						     struct pci_dev *dev)
{
	return false;
}

static inline void pci_liveupdate_init_acs(struct pci_dev *dev)
{
}

static inline bool pci_liveupdate_inherit_acs(struct pci_dev *dev)
{
	return false;
}

static inline bool pci_liveupdate_inherit_ari(struct pci_dev *bridge)
{
	return false;
}

static inline bool pci_liveupdate_may_bind(struct pci_dev *dev, bool can_liveupdate)
{
	return true;
}

static inline int pci_liveupdate_prepare_probe(struct pci_dev *dev)
{
	return 0;
}

static inline bool pci_liveupdate_shutdown(struct pci_dev *dev)
{
	return false;
}

#endif /* CONFIG_PCI_LIVEUPDATE */

#endif /* _LINUX_PCI_LIVEUPDATE_H */
