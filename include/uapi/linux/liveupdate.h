/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What userspace and the kernel say to each other over /dev/liveupdate.
 *
 * Names, numbers and layouts are those of Linux 7.3, with which this header is
 * interchangeable.
 */

#ifndef _UAPI_LIVEUPDATE_H
#define _UAPI_LIVEUPDATE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: Live update from userspace
 *
 * A *session* is a named set of files that go through a live update together.
 * It is a file descriptor. Before the update a program makes a session on the
 * device and puts files into it, each under a *token* of its choosing. After
 * the update it asks the device for the session by name, and the session for
 * each file by token. So there are two kinds of session, and neither does what
 * the other does: *outgoing* ones, made in this kernel, and *incoming* ones,
 * made in the previous.
 *
 * Opening the device
 * ------------------
 *
 * The node exists if the kernel was booted with ``kho=on liveupdate=on``. One
 * open at a time is allowed. The first one makes the kernel read what its
 * predecessor handed over. open() fails with
 *
 *  - EBUSY: the device is open already, in this process or another.
 *  - ENOMEM: no memory for what came from the predecessor; nothing is lost.
 *
 * If what the predecessor handed over cannot be read, then new sessions can be
 * made all the same; retrieving one that may have been lost gives EIO. (A kernel
 * without this implementation fails each open() with EIO instead, or panics.)
 *
 * Sessions outlive the descriptor of the device they came from.
 *
 * Closing a session
 * -----------------
 *
 * When the last descriptor of an outgoing session goes away, nothing in it is
 * preserved any longer. When that of an incoming session goes away, the session
 * is finished as by %LIVEUPDATE_SESSION_FINISH. If a file cannot be finished
 * then, the session stays with the kernel and can be retrieved again.
 *
 * From a successful kexec on, calls that would change a session sleep and do not
 * come back.
 *
 * Arguments
 * ---------
 *
 * Every request takes a pointer to its structure, which begins with its own
 * size in bytes. A structure may be longer than the kernel knows it, provided
 * that the rest is zero; so programs can be built with a newer header than the
 * kernel's. It may not be shorter than it was in Linux 7.3.
 *
 * The kernel looks at a request in this order, and the first thing wrong
 * decides. Nothing has changed when it returns an error, except as noted under
 * EFAULT.
 *
 *  1. EINVAL: the number (_IOC_NR) is none of this kernel's.
 *  2. EFAULT: the size cannot be read.
 *  3. ENOTTY: the number is known, but not with this type, direction and size.
 *  4. EINVAL: the session is outgoing and the request for incoming ones, or
 *     the other way round.
 *  5. EINVAL: the structure is too short.
 *  6. E2BIG: the structure is longer than the kernel knows, and not all zero
 *     beyond that.
 *     EFAULT: the structure cannot be read.
 *  7. The errors named below with each request.
 *
 * EFAULT may also come at the end, when the answer cannot be written. Then, too,
 * nothing has changed: what was made is undone, a session can be retrieved
 * again, and a file was not put into one. (Without this implementation a file
 * that was put into a session stays there, and what was retrieved counts as
 * retrieved.)
 *
 * The structures are the same for 32-bit programs on a 64-bit kernel, and they
 * are served. (Without this implementation they get ENOTTY.)
 *
 * Numbers
 * -------
 *
 * ========== ==============================================================
 * 0x00-0x1f  the device, as mainline has it
 * 0x20-0x3f  the device, additions of this implementation: none so far
 * 0x40-0x5f  sessions, as mainline has them
 * 0x60-0x7f  sessions, additions of this implementation: none so far
 * ========== ==============================================================
 *
 * Mainline answers EINVAL to numbers of the additions, as does this kernel
 * while there are none.
 */

/* All requests are of this ioctl type; see ioctl-number.rst. Since Linux 6.19. */
#define LIVEUPDATE_IOCTL_TYPE		0xBA

/* Bytes in the field for a session's name, the closing NUL being one of them. */
#define LIVEUPDATE_SESSION_NAME_LENGTH 64

/* Requests to the device. */
enum {
	LIVEUPDATE_CMD_BASE = 0x00,
	LIVEUPDATE_CMD_CREATE_SESSION = LIVEUPDATE_CMD_BASE,
	LIVEUPDATE_CMD_RETRIEVE_SESSION = 0x01,
};

/* Requests to a session. */
enum {
	LIVEUPDATE_CMD_SESSION_BASE = 0x40,
	LIVEUPDATE_CMD_SESSION_PRESERVE_FD = LIVEUPDATE_CMD_SESSION_BASE,
	LIVEUPDATE_CMD_SESSION_RETRIEVE_FD = 0x41,
	LIVEUPDATE_CMD_SESSION_FINISH = 0x42,
	LIVEUPDATE_CMD_SESSION_GET_NAME = 0x43,
};

/**
 * struct liveupdate_ioctl_create_session - Make an outgoing session.
 * @size:	Input; sizeof(struct liveupdate_ioctl_create_session).
 * @fd:		Output; the new session, close-on-exec.
 * @name:	Input; 1 to 63 bytes and a NUL. Bytes after the NUL are ignored.
 *
 * An outgoing session may have the name of an incoming one.
 *
 * On the device. Since Linux 6.19.
 *
 * Return: 0, or -1 with errno
 *
 *  - EMFILE, ENFILE: no descriptor, or no open file, is to be had.
 *  - EINVAL: @name is empty, or has no NUL.
 *  - ENOMEM: no memory for the session, or for its place in the handover.
 *  - ENOSPC: the list of outgoing sessions is full.
 *  - EEXIST: an outgoing session has this name.
 */
struct liveupdate_ioctl_create_session {
	__u32		size;
	__s32		fd;
	__u8		name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_IOCTL_CREATE_SESSION					\
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_CREATE_SESSION)

/**
 * struct liveupdate_ioctl_retrieve_session - Take an incoming session.
 * @size:	Input; sizeof(struct liveupdate_ioctl_retrieve_session).
 * @fd:		Output; the session, close-on-exec.
 * @name:	Input; the name it was made with, closed by NUL.
 *
 * Each session can be taken once. There is no list to be had: one has to know
 * the names.
 *
 * On the device. Since Linux 6.19.
 *
 * Return: 0, or -1 with errno
 *
 *  - EMFILE, ENFILE: no descriptor, or no open file, is to be had.
 *  - ENOENT: there is no incoming session of this name: never, or not any more.
 *    A name that is empty or without NUL gets the same answer.
 *  - EINVAL: the session was taken already.
 *  - EIO: there may have been such a session, but not all that the predecessor
 *    handed over can be read.
 *  - ENOMEM: out of memory.
 */
struct liveupdate_ioctl_retrieve_session {
	__u32		size;
	__s32		fd;
	__u8		name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_IOCTL_RETRIEVE_SESSION \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_RETRIEVE_SESSION)

/**
 * struct liveupdate_session_preserve_fd - Put a file into an outgoing session.
 * @size:	Input; sizeof(struct liveupdate_session_preserve_fd).
 * @fd:		Input; the file.
 * @token:	Input; what to ask for it by afterwards. Any number that no
 *		other file in this session has.
 *
 * The session holds its own reference to the file, so @fd may be closed. The
 * file stays in use; what its handler lets it do until the kexec, the handler
 * documents. A memfd can be read and written, but keeps its size.
 *
 * On outgoing sessions. Since Linux 6.19.
 *
 * Return: 0, or -1 with errno
 *
 *  - EEXIST: @token is taken. This comes before any look at @fd.
 *  - ENOSPC: the session is full.
 *  - ENOMEM: out of memory.
 *  - EBADF: @fd is not an open file.
 *  - ENOENT: no handler in this kernel preserves files of this kind.
 *  - EBUSY: the file is in this or another session already. For a memfd, all
 *    descriptors of the same inode are one file.
 *  - Others from the handler. That of memfds has EOPNOTSUPP for seals it does
 *    not know, and EFBIG for more than UINT_MAX pages.
 */
struct liveupdate_session_preserve_fd {
	__u32		size;
	__s32		fd;
	__aligned_u64	token;
};

#define LIVEUPDATE_SESSION_PRESERVE_FD					\
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_PRESERVE_FD)

/**
 * struct liveupdate_session_retrieve_fd - Get a file out of an incoming session.
 * @size:	Input; sizeof(struct liveupdate_session_retrieve_fd).
 * @fd:		Output; the file, close-on-exec.
 * @token:	Input; what it was preserved with.
 *
 * Files can be asked for in any order. The same token again gives another
 * descriptor of the same open file, until the session is finished. A failure in
 * the handler is final, unless it has not taken anything yet: the token answers
 * with that error from then on.
 *
 * On incoming sessions. Since Linux 6.19.
 *
 * Return: 0, or -1 with errno
 *
 *  - EMFILE: no descriptor is to be had.
 *  - ENFILE, ENOMEM, ENOSPC: no open file is to be had, or no memory to read how
 *    it was preserved; nothing has changed.
 *  - ENOENT: no file in this session has this token, or the session is
 *    finished.
 *  - EAGAIN: the file needs something that is not there yet; nothing has
 *    changed. For a PCI device that is the device itself, which the kernel may
 *    not have found yet, and vfio-pci as its driver.
 *  - Others from the handler, once and for all. That of PCI devices has ENODEV
 *    for one that was removed, or that became an ordinary one. That of memfds has EOPNOTSUPP
 *    for seals it does not know, ENOMEM if memory ends while the file is filled,
 *    EIO for pages that cannot be had back, and EINVAL for a description of them
 *    that makes no sense.
 */
struct liveupdate_session_retrieve_fd {
	__u32		size;
	__s32		fd;
	__aligned_u64	token;
};

#define LIVEUPDATE_SESSION_RETRIEVE_FD					\
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_RETRIEVE_FD)

/**
 * struct liveupdate_session_finish - End an incoming session.
 * @size:	Input; sizeof(struct liveupdate_session_finish).
 * @reserved:	Input; zero.
 *
 * Files that were retrieved are now userspace's alone. Those that were not are
 * discarded, and their memory is free again; but a PCI device has to be retrieved
 * first, and one that came running to be bound to an iommufd. Either all of the
 * session is finished or, on error, none of it, and one may try again.
 *
 * A finished session answers ENOENT to every token, and 0 to another finish. Its
 * name disappears with its last descriptor.
 *
 * On incoming sessions. Since Linux 6.19.
 *
 * Return: 0, or -1 with errno
 *
 *  - EINVAL: @reserved is not zero.
 *  - EBUSY: the handler of a file in the session cannot finish it yet.
 *  - ENOENT: there is no handler for a file in the session, because its module
 *    is not loaded.
 */
struct liveupdate_session_finish {
	__u32		size;
	__u32		reserved;
};

#define LIVEUPDATE_SESSION_FINISH					\
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_FINISH)

/**
 * struct liveupdate_session_get_name - Read a session's name.
 * @size:	Input; sizeof(struct liveupdate_session_get_name).
 * @reserved:	Input; zero.
 * @name:	Output; the name, closed and filled up by NUL.
 *
 * For whoever got the descriptor from someone else. The link in /proc/PID/fd
 * shows the name too, but may cut it short.
 *
 * On sessions of both kinds. Since Linux 7.2.
 *
 * Return: 0, or -1 with errno
 *
 *  - EINVAL: @reserved is not zero.
 */
struct liveupdate_session_get_name {
	__u32		size;
	__u32		reserved;
	__u8		name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_SESSION_GET_NAME					\
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_GET_NAME)

#endif /* _UAPI_LIVEUPDATE_H */
