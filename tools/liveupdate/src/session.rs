// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sessions: outgoing ones towards the next kernel, incoming ones from the previous.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::error::Error;
use crate::error::Result;
use crate::name::SessionName;
use crate::name::Token;
use crate::sys::SessionFd;

mod sealed {
    pub trait Sealed {}
}

/// Which way a session goes. Nobody else can implement it.
pub trait Direction: sealed::Sealed {}

/// A session that is being filled for the next kernel.
#[derive(Debug)]
pub enum Outgoing {}

/// A session that came from the previous kernel.
#[derive(Debug)]
pub enum Incoming {}

impl sealed::Sealed for Outgoing {}
impl sealed::Sealed for Incoming {}
impl Direction for Outgoing {}
impl Direction for Incoming {}

/// A live-update session.
///
/// What can be done with it depends on its direction, and doing the other thing does not compile:
///
/// ```compile_fail,E0599
/// # use liveupdate::{Device, Token};
/// let session = Device::open().unwrap().create_session("vm-42").unwrap();
/// session.retrieve_fd(Token(1)).unwrap(); // Only an incoming session gives files back.
/// ```
///
/// ```compile_fail,E0599
/// # use liveupdate::{Device, Token};
/// let session = Device::open().unwrap().retrieve_session("vm-42").unwrap();
/// session.preserve_fd(Token(1), std::io::stdin()).unwrap(); // Only an outgoing one takes them.
/// ```
#[must_use = "closing a session discards what is preserved in it"]
pub struct Session<D: Direction> {
    fd: SessionFd,
    name: SessionName,
    direction: PhantomData<fn() -> D>,
}

impl<D: Direction> Session<D> {
    pub(crate) fn new(fd: SessionFd, name: SessionName) -> Self {
        Self {
            fd,
            name,
            direction: PhantomData,
        }
    }

    /// The name it was created with, without asking the kernel.
    #[must_use]
    pub fn name(&self) -> &SessionName {
        &self.name
    }

    /// Asks the kernel for the session's name.
    ///
    /// # Errors
    ///
    /// [`Error::Os`], or [`Error::Name`] if the kernel's answer is no name.
    pub fn query_name(&self) -> Result<SessionName> {
        read_name(&self.fd)
    }
}

fn read_name(fd: &SessionFd) -> Result<SessionName> {
    let field = fd
        .name()
        .map_err(|errno| Error::os("reading a session's name", errno))?;
    Ok(SessionName::from_field(&field)?)
}

impl Session<Outgoing> {
    /// Preserves a file: the next kernel will give it back for `token`.
    ///
    /// The kernel keeps a reference of its own, so the descriptor may be closed at once. Contents
    /// may still be written until the kexec, but a memfd cannot change its size any more.
    ///
    /// ```no_run
    /// use liveupdate::{Device, Token};
    /// use rustix::fs::{MemfdFlags, memfd_create};
    ///
    /// let session = Device::open()?.create_session("vm-42")?;
    /// let ram = memfd_create("ram", MemfdFlags::CLOEXEC).unwrap();
    /// session.preserve_fd(Token(1), &ram)?;
    /// # Ok::<(), liveupdate::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::TokenInUse`], [`Error::FileBusy`], [`Error::UnsupportedFile`], [`Error::Full`], or
    /// [`Error::Os`] with what the file's handler said. Nothing changed then.
    pub fn preserve_fd(&self, token: Token, fd: impl AsFd) -> Result<()> {
        let name = || self.name.clone();
        self.fd
            .preserve(token.0, fd.as_fd().as_raw_fd())
            .map_err(|errno| match errno {
                Errno::EXIST => Error::TokenInUse {
                    name: name(),
                    token,
                },
                Errno::BUSY => Error::FileBusy {
                    name: name(),
                    token,
                },
                Errno::NOENT => Error::UnsupportedFile {
                    name: name(),
                    token,
                },
                Errno::NOSPC => Error::Full {
                    what: format!("session {}: preserving token {token}", self.name),
                },
                _ => Error::os(
                    format!("session {}: preserving token {token}", self.name),
                    errno,
                ),
            })
    }
}

impl Session<Incoming> {
    /// Gives a preserved file back.
    ///
    /// Asking again for the same token gives another descriptor of the same open file. A failure
    /// is final: the kernel answers later attempts with the same error.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchToken`], or [`Error::Os`] with what the file's handler said.
    pub fn retrieve_fd(&self, token: Token) -> Result<OwnedFd> {
        self.fd.retrieve(token.0).map_err(|errno| match errno {
            Errno::NOENT => Error::NoSuchToken {
                name: self.name.clone(),
                token,
            },
            _ => Error::os(
                format!("session {}: retrieving token {token}", self.name),
                errno,
            ),
        })
    }

    /// Ends the session: files retrieved from it are now wholly the caller's, the others are
    /// discarded, and the name is free again.
    ///
    /// Closing a session does the same without saying whether it went well.
    ///
    /// # Errors
    ///
    /// The session comes back inside the error, with everything still in it.
    pub fn finish(self) -> Result<(), FinishError> {
        match self.fd.finish() {
            Ok(()) => Ok(()),
            Err(errno) => {
                let error = match errno {
                    Errno::BUSY => Error::NotReady {
                        name: self.name.clone(),
                    },
                    _ => Error::os(format!("finishing session {}", self.name), errno),
                };
                Err(FinishError {
                    session: self,
                    error,
                })
            }
        }
    }
}

impl<D: Direction> fmt::Debug for Session<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("name", &self.name)
            .field("direction", &std::any::type_name::<D>())
            .field("fd", &self.fd.as_fd().as_raw_fd())
            .finish()
    }
}

impl<D: Direction> AsFd for Session<D> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// For handing a session to another process, which gets it back with [`AnySession`].
impl<D: Direction> From<Session<D>> for OwnedFd {
    fn from(session: Session<D>) -> Self {
        session.fd.into()
    }
}

/// A finish that failed, and the session it failed on.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct FinishError {
    /// The session, unchanged.
    pub session: Session<Incoming>,
    /// What went wrong.
    #[source]
    pub error: Error,
}

/// Drops, and thereby finishes as far as the kernel can, the session.
impl From<FinishError> for Error {
    fn from(failed: FinishError) -> Self {
        failed.error
    }
}

/// A session that came as a bare descriptor, sorted by its direction.
///
/// A process that is about to exit can hand its sessions to another over a Unix socket, or to its
/// service manager; this is how the other side makes sense of them.
#[derive(Debug)]
pub enum AnySession {
    /// It goes to the next kernel.
    Outgoing(Session<Outgoing>),
    /// It came from the previous kernel.
    Incoming(Session<Incoming>),
}

impl AnySession {
    /// Finds out what session a descriptor is.
    ///
    /// # Errors
    ///
    /// [`Error::NotASession`] if it is something else or `/proc` is not there to tell, and
    /// [`Error::Os`].
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        let fd = SessionFd::checked(fd).map_err(|_| Error::NotASession)?;
        let name = read_name(&fd)?;
        // There is no request that tells the direction. Preserving no file fails on both kinds and
        // changes neither, but an incoming session refuses before it looks at the arguments.
        match fd.preserve(0, -1) {
            Err(Errno::INVAL) => Ok(Self::Incoming(Session::new(fd, name))),
            Err(Errno::BADF | Errno::EXIST | Errno::NOSPC | Errno::NOMEM) => {
                Ok(Self::Outgoing(Session::new(fd, name)))
            }
            Err(errno) => Err(Error::os(
                format!("asking session {name} for its kind"),
                errno,
            )),
            Ok(()) => Err(Error::os(
                format!("session {name} accepted the descriptor -1"),
                Errno::PROTO,
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_not_sessions() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let error = AnySession::from_fd(null.into()).unwrap_err();
        assert_eq!(error, Error::NotASession);
        // A file may be called like one, but it is not an anonymous inode.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anon_inode:[luo_session] vm");
        let file = std::fs::File::create(path).unwrap();
        assert!(AnySession::from_fd(file.into()).is_err());
    }
}
