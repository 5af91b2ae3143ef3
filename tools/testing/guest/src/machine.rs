// SPDX-License-Identifier: GPL-2.0

//! What an init does for its machine.

use std::fs::File;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::system::RebootCommand;

/// How many files the second kernel's program has open at once, with room to spare.
const OPEN_FILES: u64 = 65_536;

/// `uname -r`.
#[must_use]
pub fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into()
}

/// Mounts what is needed, and raises the limit on open files.
///
/// # Errors
///
/// The kernel refuses.
pub fn set_up() -> Result<()> {
    let none: Option<&std::ffi::CStr> = None;
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        match rustix::mount::mount(kind, target, kind, MountFlags::empty(), none) {
            Ok(()) | Err(Errno::BUSY) => {}
            Err(errno) => return Err(errno).context(format!("mounting {kind} at {target}")),
        }
    }
    let limit = Rlimit {
        current: Some(OPEN_FILES),
        maximum: Some(OPEN_FILES),
    };
    rustix::process::setrlimit(Resource::Nofile, limit).context("raising the limit on open files")
}

/// Loads the next kernel, with the command line of this one: what switches live update on here does so
/// there.
///
/// # Errors
///
/// A file is missing, or the kernel refuses.
pub fn load_next(kernel: &str, initrd: &str) -> Result<()> {
    let open = |path| File::open(path).with_context(|| format!("opening {path}"));
    let cmdline = std::fs::read_to_string("/proc/cmdline").context("reading /proc/cmdline")?;
    let (kernel, initrd) = (open(kernel)?, open(initrd)?);
    Ok(liveupdate::kexec::load(
        kernel,
        Some(initrd),
        cmdline.trim_end(),
    )?)
}

/// Switches the machine off. Comes back only if that is impossible.
pub fn power_off() -> ExitCode {
    // QEMU ends on either: it was told not to reboot.
    let _ = rustix::system::reboot(RebootCommand::PowerOff);
    let _ = rustix::system::reboot(RebootCommand::Restart);
    ExitCode::FAILURE
}
