// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can go wrong, said so that one knows what to do.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::name::NameError;
use crate::name::SessionName;
use crate::name::Token;

/// A failed live-update operation.
///
/// `Display` says what failed and on what. [`Error::help`] says what to do about it, and
/// [`Error::errno`] gives the kernel's number where there was one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot be a session's.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no device.
    #[error("{} does not exist", path.display())]
    NoDevice {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The device belongs to another process at the moment.
    #[error("{} is open in another process, and only one may have it", path.display())]
    DeviceBusy {
        /// The device.
        path: PathBuf,
    },
    /// The device is not for this user.
    #[error("no permission to open {}", path.display())]
    Permission {
        /// The device.
        path: PathBuf,
    },
    /// What the previous kernel handed over could not be read.
    #[error("{}: the kernel could not read what the previous kernel handed over", path.display())]
    IncomingUnreadable {
        /// The device.
        path: PathBuf,
    },
    /// The file at this path is something else.
    #[error("{} is not the live-update device", path.display())]
    NotTheDevice {
        /// What was opened.
        path: PathBuf,
    },
    /// The descriptor is something else.
    #[error("the file descriptor is not a live-update session")]
    NotASession,
    /// An outgoing session of this name exists.
    #[error("a session named {name} is already being prepared for the next kernel")]
    SessionExists {
        /// The session.
        name: SessionName,
    },
    /// No incoming session of this name exists.
    #[error("the previous kernel left no session named {name}, or it was finished already")]
    NoSuchSession {
        /// The session.
        name: SessionName,
    },
    /// Someone has this incoming session.
    #[error("session {name} was retrieved before and is still held")]
    SessionTaken {
        /// The session.
        name: SessionName,
    },
    /// The token is in use in this session.
    #[error("session {name}: token {token} already stands for another file")]
    TokenInUse {
        /// The session.
        name: SessionName,
        /// The token.
        token: Token,
    },
    /// The incoming session has no such token.
    #[error("session {name}: no file was preserved with token {token}")]
    NoSuchToken {
        /// The session.
        name: SessionName,
        /// The token.
        token: Token,
    },
    /// The file is in this or another session.
    #[error("session {name}: the file for token {token} is already preserved")]
    FileBusy {
        /// The session.
        name: SessionName,
        /// The token.
        token: Token,
    },
    /// The kernel has no handler for this kind of file.
    #[error("session {name}: the kernel cannot preserve the kind of file given for token {token}")]
    UnsupportedFile {
        /// The session.
        name: SessionName,
        /// The token.
        token: Token,
    },
    /// The session or the session list is full.
    #[error("{what}: the kernel has no room for more entries")]
    Full {
        /// Which session, or which list.
        what: String,
    },
    /// A handler still needs the incoming session.
    #[error("session {name}: a file in it cannot be finished yet")]
    NotReady {
        /// The session.
        name: SessionName,
    },
    /// Another failure of the system.
    #[error("{what}: {errno}")]
    Os {
        /// What was tried, on what.
        what: String,
        /// What the kernel answered.
        errno: Errno,
    },
}

/// A [`SessionName`] given where a name is wanted needs no check.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The result of a live-update operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Describes a failure that has no more to say than its errno.
    pub(crate) fn os(what: impl Into<String>, errno: Errno) -> Self {
        Self::Os {
            what: what.into(),
            errno,
        }
    }

    /// The same for an error of the standard library.
    pub(crate) fn io(what: impl Into<String>, error: &io::Error) -> Self {
        Self::os(what, Errno::from_io_error(error).unwrap_or(Errno::IO))
    }

    /// What to do next, in one sentence.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Name(_) => "Choose a name of 1 to 63 bytes without NUL.",
            Self::NoDevice { .. } => {
                "Boot a kernel that has CONFIG_LIVEUPDATE with kho=on and liveupdate=on on its \
                 command line, and see to it that /dev is a devtmpfs."
            }
            Self::DeviceBusy { .. } => {
                "Ask its holder to act for you, or stop it; `fuser /dev/liveupdate` names it."
            }
            Self::Permission { .. } => "Run as root, or give this user access to the device node.",
            Self::IncomingUnreadable { .. } => {
                "Read the kernel log for the cause; the preserved memory stays reserved until a \
                 full reboot."
            }
            Self::NotTheDevice { .. } => {
                "Name the node that belongs to the entry `liveupdate` in /proc/misc; /proc must \
                 be mounted to check this."
            }
            Self::NotASession => {
                "Pass a descriptor that came from creating or retrieving a session; /proc must \
                 be mounted to check this."
            }
            Self::SessionExists { .. } => {
                "Choose another name, or close the session that has it; that discards it."
            }
            Self::NoSuchSession { .. } => {
                "Check the name: the kernel cannot list sessions, it must be spelled as at creation."
            }
            Self::SessionTaken { .. } => {
                "Ask the process that holds it for its descriptor; closing it there finishes the \
                 session."
            }
            Self::TokenInUse { .. } => "Choose another token; it must be unique in its session.",
            Self::NoSuchToken { .. } => {
                "Check the token; after a finish no token of the session is left."
            }
            Self::FileBusy { .. } => {
                "Preserve each file once only; for a memfd all its descriptors are the same file."
            }
            Self::UnsupportedFile { .. } => {
                "Copy regular files into a memfd first; hugetlb memfds and other kinds of file \
                 need a handler in the kernel."
            }
            Self::Full { .. } => "Spread the files over more sessions, or preserve fewer.",
            Self::NotReady { .. } => {
                "Retrieve the session's files and bring their devices to rest, then try again."
            }
            Self::Os { errno, .. } => match *errno {
                Errno::MFILE | Errno::NFILE => {
                    "Raise the limit on open files (RLIMIT_NOFILE), or close some."
                }
                Errno::NOMEM => "Free memory, or preserve less, and try again.",
                Errno::PERM | Errno::ACCESS => "Run as root (CAP_SYS_BOOT for kexec).",
                Errno::FBIG => "Split the file: a memfd may have at most 4294967295 pages.",
                Errno::OPNOTSUPP => "Remove the seals that this kernel cannot carry over.",
                _ => "See the kernel log for more.",
            },
        }
    }

    /// The errno behind the error, unless this crate refused before asking the kernel.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        Some(match self {
            Self::Name(_) | Self::NotTheDevice { .. } | Self::NotASession => return None,
            Self::NoDevice { .. } | Self::NoSuchSession { .. } | Self::NoSuchToken { .. } => {
                Errno::NOENT
            }
            Self::UnsupportedFile { .. } => Errno::NOENT,
            Self::DeviceBusy { .. } | Self::FileBusy { .. } | Self::NotReady { .. } => Errno::BUSY,
            Self::Permission { .. } => Errno::ACCESS,
            Self::IncomingUnreadable { .. } => Errno::IO,
            Self::SessionExists { .. } | Self::TokenInUse { .. } => Errno::EXIST,
            Self::SessionTaken { .. } => Errno::INVAL,
            Self::Full { .. } => Errno::NOSPC,
            Self::Os { errno, .. } => *errno,
        })
    }
}
