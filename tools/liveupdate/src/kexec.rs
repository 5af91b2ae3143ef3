// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loading the next kernel and going there.
//!
//! ```no_run
//! use std::fs::File;
//! use liveupdate::kexec;
//!
//! let image = File::open("/boot/vmlinuz")?;
//! let initrd = File::open("/boot/initrd.img")?;
//! kexec::load(&image, Some(&initrd), "console=ttyS0 kho=on liveupdate=on")?;
//! let error = kexec::reboot(); // Comes back only if it failed.
//! eprintln!("{error}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::ffi::CString;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::system::RebootCommand;

use crate::error::Error;
use crate::error::Result;
use crate::sys;

/// Loads a kernel image, and an initial ramdisk if there is one, with `kexec_file_load(2)`.
///
/// The next kernel needs `kho=on` and `liveupdate=on` on its command line to take anything over.
///
/// # Errors
///
/// [`Error::Os`]: `EPERM` without `CAP_SYS_BOOT`, `ENOEXEC` for a file that is no kernel, `EINVAL`
/// for a command line that is too long or contains NUL, `EBUSY` while another load goes on,
/// `EADDRNOTAVAIL` or `ENOMEM` when it does not fit (with KHO: into the scratch areas).
pub fn load(image: impl AsFd, initrd: Option<impl AsFd>, cmdline: &str) -> Result<()> {
    let what = "loading the next kernel";
    let cmdline = CString::new(cmdline).map_err(|_| Error::os(what, Errno::INVAL))?;
    let initrd = initrd.as_ref().map(AsFd::as_fd);
    sys::kexec_file_load(image.as_fd(), initrd, &cmdline).map_err(|error| Error::io(what, &error))
}

/// Drops the kernel that was loaded.
///
/// # Errors
///
/// [`Error::Os`].
pub fn unload() -> Result<()> {
    sys::kexec_file_unload().map_err(|error| Error::io("unloading the next kernel", &error))
}

/// Whether a kernel is loaded, or `None` if sysfs does not say.
#[must_use]
pub fn is_loaded() -> Option<bool> {
    let loaded = ["/sys/kernel/kexec/loaded", "/sys/kernel/kexec_loaded"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())?;
    Some(loaded.trim() == "1")
}

/// Starts the loaded kernel now, without stopping any service or syncing any disk.
///
/// On success it does not come back. If a file cannot be frozen the kernel undoes everything, and
/// all sessions are as they were before the call.
#[must_use = "coming back at all is the failure"]
pub fn reboot() -> Error {
    match rustix::system::reboot(RebootCommand::Kexec) {
        Err(Errno::INVAL) => Error::os("starting the next kernel: none is loaded", Errno::INVAL),
        Err(errno) => Error::os("starting the next kernel", errno),
        Ok(()) => Error::os("starting the next kernel: the call came back", Errno::PROTO),
    }
}
