// SPDX-License-Identifier: MIT OR Apache-2.0

//! The device: where sessions come from.

use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::Error;
use crate::error::Result;
use crate::name::SessionName;
use crate::session::Incoming;
use crate::session::Outgoing;
use crate::session::Session;
use crate::sys::DeviceFd;

/// Where the device is unless told otherwise.
pub const DEVICE_PATH: &str = "/dev/liveupdate";

/// The live-update device, open.
///
/// Only one process at a time may have it open. Sessions outlive it: take what you need and drop
/// it, so that others get their turn.
///
/// ```no_run
/// use liveupdate::Device;
///
/// let device = Device::open()?;
/// let session = device.create_session("vm-42")?;
/// drop(device);
/// // The session is still there, and with it all that is preserved in it.
/// # Ok::<(), liveupdate::Error>(())
/// ```
#[derive(Debug)]
pub struct Device {
    fd: DeviceFd,
}

impl Device {
    /// Opens [`DEVICE_PATH`].
    ///
    /// The first open after boot makes the kernel read what its predecessor left.
    ///
    /// # Errors
    ///
    /// - [`Error::NoDevice`]: live update is not in this kernel, or not switched on.
    /// - [`Error::DeviceBusy`]: another process has it open.
    /// - [`Error::IncomingUnreadable`]: the previous kernel's sessions are lost.
    /// - [`Error::Permission`], [`Error::NotTheDevice`] or [`Error::Os`].
    pub fn open() -> Result<Self> {
        Self::open_at(DEVICE_PATH)
    }

    /// Opens the device at another path, for instance in a container.
    ///
    /// The path must lead to the device that `/proc/misc` calls `liveupdate`.
    ///
    /// # Errors
    ///
    /// As [`Device::open`].
    pub fn open_at(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| {
            let path = path.to_path_buf();
            match errno {
                Errno::NOENT | Errno::NODEV | Errno::NXIO => Error::NoDevice { path },
                Errno::BUSY => Error::DeviceBusy { path },
                Errno::ACCESS | Errno::PERM => Error::Permission { path },
                Errno::IO => Error::IncomingUnreadable { path },
                _ => Error::os(format!("opening {}", path.display()), errno),
            }
        })?;
        let not_the_device = || Error::NotTheDevice {
            path: path.to_path_buf(),
        };
        let misc = std::fs::read_to_string("/proc/misc").map_err(|_| not_the_device())?;
        let minor = misc_minor(&misc).ok_or_else(not_the_device)?;
        let fd = DeviceFd::checked(fd, minor).map_err(|_| not_the_device())?;
        Ok(Self { fd })
    }

    /// Makes a session whose files are to reach the next kernel.
    ///
    /// The session, and with it everything preserved in it, lasts until its last descriptor is
    /// closed or the machine kexecs.
    ///
    /// # Errors
    ///
    /// [`Error::Name`], [`Error::SessionExists`], [`Error::Full`] or [`Error::Os`].
    pub fn create_session<N>(&self, name: N) -> Result<Session<Outgoing>>
    where
        N: TryInto<SessionName>,
        Error: From<N::Error>,
    {
        let name = name.try_into()?;
        match self.fd.create_session(name.to_field()) {
            Ok(fd) => Ok(Session::new(fd, name)),
            Err(Errno::EXIST) => Err(Error::SessionExists { name }),
            Err(Errno::NOSPC) => Err(Error::Full {
                what: format!("creating session {name}"),
            }),
            Err(errno) => Err(Error::os(format!("creating session {name}"), errno)),
        }
    }

    /// Takes a session that the previous kernel handed over.
    ///
    /// A session can be taken once. Closing it finishes it: what was not retrieved by then is gone.
    ///
    /// # Errors
    ///
    /// [`Error::Name`], [`Error::NoSuchSession`], [`Error::SessionTaken`] or [`Error::Os`].
    pub fn retrieve_session<N>(&self, name: N) -> Result<Session<Incoming>>
    where
        N: TryInto<SessionName>,
        Error: From<N::Error>,
    {
        let name = name.try_into()?;
        match self.fd.retrieve_session(name.to_field()) {
            Ok(fd) => Ok(Session::new(fd, name)),
            Err(Errno::NOENT) => Err(Error::NoSuchSession { name }),
            Err(Errno::INVAL) => Err(Error::SessionTaken { name }),
            Err(errno) => Err(Error::os(format!("retrieving session {name}"), errno)),
        }
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Finds the device's minor number in the text of `/proc/misc`.
fn misc_minor(misc: &str) -> Option<u32> {
    misc.lines().find_map(|line| {
        let (minor, name) = line.trim().split_once(' ')?;
        (name.trim() == "liveupdate").then(|| minor.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_is_found_by_whole_name() {
        let misc = "260 not-liveupdate\n125 liveupdate\n  1 psaux\n";
        assert_eq!(misc_minor(misc), Some(125));
        assert_eq!(misc_minor("  9 liveupdate\n"), Some(9));
        assert_eq!(misc_minor("x liveupdate\n"), None);
        assert_eq!(misc_minor("125 liveupdate2\n"), None);
        assert_eq!(misc_minor(""), None);
    }

    #[test]
    fn a_missing_node_is_told_from_a_wrong_one() {
        let missing = Device::open_at("/dev/no-such-liveupdate").unwrap_err();
        assert!(matches!(missing, Error::NoDevice { .. }), "{missing:?}");
        let wrong = Device::open_at("/dev/null").unwrap_err();
        assert!(matches!(wrong, Error::NotTheDevice { .. }), "{wrong:?}");
        assert!(wrong.to_string().contains("/dev/null"));
    }
}
