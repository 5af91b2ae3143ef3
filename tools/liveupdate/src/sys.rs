// SPDX-License-Identifier: MIT OR Apache-2.0

//! All of this crate's `unsafe`: the ioctls and the two kexec system calls.
//!
//! The two newtypes carry the proof that a descriptor is what an ioctl needs; everything outside
//! this module is safe code on top of them.

#![expect(unsafe_code, reason = "this module is the border to the kernel")]

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::ioctl;
use rustix::ioctl::Opcode;
use rustix::ioctl::Updater;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

use crate::abi;
use crate::abi::device_cmd;
use crate::abi::session_cmd;

/// An ioctl argument of the live-update family.
///
/// # Safety
///
/// `Self` is the C structure of the ioctl `OPCODE`: it begins with `size: u32`, and on a descriptor
/// of the right kind the kernel reads and writes no more than that many bytes of it.
unsafe trait Request: FromBytes + IntoBytes + Immutable {
    /// The number to call.
    const NUMBER: u8;
}

// SAFETY: For each of the six: the structure mirrors the header's, as `abi.rs` asserts and
// `tests/header.rs` compares, and the kernel treats `size` as the bound of what it may touch.
unsafe impl Request for abi::CreateSession {
    const NUMBER: u8 = device_cmd::CREATE_SESSION;
}
// SAFETY: See above.
unsafe impl Request for abi::RetrieveSession {
    const NUMBER: u8 = device_cmd::RETRIEVE_SESSION;
}
// SAFETY: See above.
unsafe impl Request for abi::PreserveFd {
    const NUMBER: u8 = session_cmd::PRESERVE_FD;
}
// SAFETY: See above.
unsafe impl Request for abi::RetrieveFd {
    const NUMBER: u8 = session_cmd::RETRIEVE_FD;
}
// SAFETY: See above.
unsafe impl Request for abi::Finish {
    const NUMBER: u8 = session_cmd::FINISH;
}
// SAFETY: See above.
unsafe impl Request for abi::GetName {
    const NUMBER: u8 = session_cmd::GET_NAME;
}

/// Calls one ioctl, having written the true size into the request.
///
/// # Safety
///
/// `fd` is the device if `R` is a device request, and a session if `R` is a session request.
unsafe fn call<R: Request>(fd: BorrowedFd<'_>, request: &mut R) -> Result<(), Errno> {
    const fn opcode(number: u8) -> Opcode {
        ioctl::opcode::none(abi::IOCTL_TYPE, number)
    }

    let size = u32::try_from(size_of::<R>()).map_err(|_| Errno::OVERFLOW)?;
    request.as_mut_bytes()[..4].copy_from_slice(&size.to_ne_bytes());

    // Updater wants the opcode as a constant, and a trait's constant cannot be one yet.
    macro_rules! dispatch {
        ($($number:path),+) => {
            match R::NUMBER {
                // SAFETY: `Request` promises that the ioctl stays within `size` bytes, which the
                // lines above made the size of `R`, and any bytes are a valid `R` (`FromBytes`).
                // The caller promises a descriptor on which the number means this request.
                $($number => unsafe {
                    ioctl::ioctl(fd, Updater::<{ opcode($number) }, R>::new(request))
                },)+
                _ => Err(Errno::NOTTY),
            }
        };
    }
    dispatch!(
        device_cmd::CREATE_SESSION,
        device_cmd::RETRIEVE_SESSION,
        session_cmd::PRESERVE_FD,
        session_cmd::RETRIEVE_FD,
        session_cmd::FINISH,
        session_cmd::GET_NAME
    )
}

/// A descriptor of the live-update device.
///
/// # Invariants
///
/// The descriptor refers to the misc device that the kernel registered as `liveupdate`.
#[derive(Debug)]
pub(crate) struct DeviceFd(OwnedFd);

impl DeviceFd {
    /// Wraps a descriptor.
    ///
    /// # Safety
    ///
    /// `fd` refers to the live-update device.
    pub(crate) unsafe fn new(fd: OwnedFd) -> Self {
        // INVARIANT: The caller promises it.
        Self(fd)
    }

    /// Wraps a descriptor after comparing its device number with the one the kernel gave out.
    pub(crate) fn checked(fd: OwnedFd, minor: u32) -> Result<Self, OwnedFd> {
        const MISC_MAJOR: u32 = 10;

        let Ok(stat) = rustix::fs::fstat(&fd) else {
            return Err(fd);
        };
        let is_char = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_char_device();
        let number = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
        if !is_char || number != (MISC_MAJOR, minor) {
            return Err(fd);
        }
        // SAFETY: A character device is known by its number, and this number is the kernel's.
        Ok(unsafe { Self::new(fd) })
    }

    pub(crate) fn create_session(
        &self,
        name: [u8; abi::SESSION_NAME_LENGTH],
    ) -> Result<SessionFd, Errno> {
        let mut request = abi::CreateSession {
            size: 0,
            fd: -1,
            name,
        };
        // SAFETY: `self` is the device by its invariant.
        unsafe { call(self.0.as_fd(), &mut request) }?;
        // SAFETY: On success the kernel put a new descriptor of a session there, ours alone.
        Ok(SessionFd(unsafe { OwnedFd::from_raw_fd(request.fd) }))
    }

    pub(crate) fn retrieve_session(
        &self,
        name: [u8; abi::SESSION_NAME_LENGTH],
    ) -> Result<SessionFd, Errno> {
        let mut request = abi::RetrieveSession {
            size: 0,
            fd: -1,
            name,
        };
        // SAFETY: `self` is the device by its invariant.
        unsafe { call(self.0.as_fd(), &mut request) }?;
        // SAFETY: On success the kernel put a new descriptor of a session there, ours alone.
        Ok(SessionFd(unsafe { OwnedFd::from_raw_fd(request.fd) }))
    }
}

impl AsFd for DeviceFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A descriptor of a session, outgoing or incoming.
///
/// # Invariants
///
/// The descriptor refers to a session of the live-update orchestrator.
#[derive(Debug)]
pub(crate) struct SessionFd(OwnedFd);

impl SessionFd {
    /// Wraps a descriptor.
    ///
    /// # Safety
    ///
    /// `fd` refers to a session.
    pub(crate) unsafe fn new(fd: OwnedFd) -> Self {
        // INVARIANT: The caller promises it.
        Self(fd)
    }

    /// Wraps a descriptor after asking the kernel what it is.
    pub(crate) fn checked(fd: OwnedFd) -> Result<Self, OwnedFd> {
        let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let is_session = rustix::fs::readlink(&link, Vec::new())
            .is_ok_and(|target| target.as_bytes().starts_with(b"anon_inode:[luo_session] "));
        let on_procfs = rustix::fs::statfs("/proc")
            .is_ok_and(|stat| stat.f_type == rustix::fs::PROC_SUPER_MAGIC);
        if !is_session || !on_procfs {
            return Err(fd);
        }
        // SAFETY: Only the kernel names anonymous inodes, and it gives this name to sessions alone.
        Ok(unsafe { Self::new(fd) })
    }

    pub(crate) fn preserve(&self, token: u64, fd: i32) -> Result<(), Errno> {
        let mut request = abi::PreserveFd { size: 0, fd, token };
        // SAFETY: `self` is a session by its invariant.
        unsafe { call(self.0.as_fd(), &mut request) }
    }

    pub(crate) fn retrieve(&self, token: u64) -> Result<OwnedFd, Errno> {
        let mut request = abi::RetrieveFd {
            size: 0,
            fd: -1,
            token,
        };
        // SAFETY: `self` is a session by its invariant.
        unsafe { call(self.0.as_fd(), &mut request) }?;
        // SAFETY: On success the kernel put a new descriptor there, ours alone.
        Ok(unsafe { OwnedFd::from_raw_fd(request.fd) })
    }

    pub(crate) fn finish(&self) -> Result<(), Errno> {
        let mut request = abi::Finish {
            size: 0,
            reserved: 0,
        };
        // SAFETY: `self` is a session by its invariant.
        unsafe { call(self.0.as_fd(), &mut request) }
    }

    pub(crate) fn name(&self) -> Result<[u8; abi::SESSION_NAME_LENGTH], Errno> {
        let mut request = abi::GetName {
            size: 0,
            reserved: 0,
            name: [0; abi::SESSION_NAME_LENGTH],
        };
        // SAFETY: `self` is a session by its invariant.
        unsafe { call(self.0.as_fd(), &mut request) }?;
        Ok(request.name)
    }
}

impl AsFd for SessionFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<SessionFd> for OwnedFd {
    fn from(session: SessionFd) -> Self {
        session.0
    }
}

/// Flag of `kexec_file_load`: there is no initial ramdisk.
const KEXEC_FILE_NO_INITRAMFS: libc::c_ulong = 0x4;
/// Flag of `kexec_file_load`: drop what was loaded.
const KEXEC_FILE_UNLOAD: libc::c_ulong = 0x1;

/// Loads a kernel for the next kexec.
pub(crate) fn kexec_file_load(
    image: BorrowedFd<'_>,
    initrd: Option<BorrowedFd<'_>>,
    cmdline: &CStr,
) -> io::Result<()> {
    let flags = match initrd {
        Some(_) => 0,
        None => KEXEC_FILE_NO_INITRAMFS,
    };
    let initrd = initrd.map_or(-1, |fd| fd.as_raw_fd());
    let bytes = cmdline.to_bytes_with_nul();
    // SAFETY: The descriptors outlive the call, and the kernel copies `bytes.len()` bytes from a
    // buffer of that length. It keeps no pointer into our memory.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            libc::c_long::from(image.as_raw_fd()),
            libc::c_long::from(initrd),
            bytes.len(),
            bytes.as_ptr(),
            flags,
        )
    };
    if ret == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Drops the loaded kernel.
pub(crate) fn kexec_file_unload() -> io::Result<()> {
    let none: libc::c_long = -1;
    let zero: libc::c_ulong = 0;
    // SAFETY: With this flag the kernel looks at no other argument.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            none,
            none,
            zero,
            std::ptr::null::<libc::c_char>(),
            KEXEC_FILE_UNLOAD,
        )
    };
    if ret == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
