// SPDX-License-Identifier: GPL-2.0

//! How the guest tells a profiler what begins.
//!
//! A mark is a no-op, one instruction long, which is always there: a profile is of the same program as
//! every other run. Marks are outside of what is timed.

/// What begins, or is the program's own business. The numbers are what `profile/count.c` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing that is of interest.
    Own = 0,
    /// Creating a session.
    Create = 1,
    /// Preserving a file.
    Preserve = 2,
    /// Closing a session that is to go to the next kernel.
    Unpreserve = 3,
    /// The reboot call, and all until userspace says [`Mark::Own`]. The host divides it further.
    Reboot = 4,
    /// Opening the device.
    Open = 8,
    /// Retrieving a session.
    SessionRetrieve = 9,
    /// Retrieving a file.
    FdRetrieve = 10,
    /// Finishing and closing a session.
    Finish = 11,
}

/// In the upper three bytes of the displacement.
const MAGIC: u32 = 0x4c55_4200;

impl Mark {
    /// Says that it begins.
    #[inline]
    pub fn say(self) {
        match self {
            Self::Own => no_op::<{ MAGIC }>(),
            Self::Create => no_op::<{ MAGIC | 1 }>(),
            Self::Preserve => no_op::<{ MAGIC | 2 }>(),
            Self::Unpreserve => no_op::<{ MAGIC | 3 }>(),
            Self::Reboot => no_op::<{ MAGIC | 4 }>(),
            Self::Open => no_op::<{ MAGIC | 8 }>(),
            Self::SessionRetrieve => no_op::<{ MAGIC | 9 }>(),
            Self::FdRetrieve => no_op::<{ MAGIC | 10 }>(),
            Self::Finish => no_op::<{ MAGIC | 11 }>(),
        }
    }
}

/// Does nothing, by an instruction that has `VALUE` in it.
#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "there is no other way to an instruction")]
fn no_op<const VALUE: u32>() {
    // SAFETY: The instruction changes nothing, and does not access the memory that its operand names.
    unsafe {
        core::arch::asm!("nop dword ptr [rax + rax + {}]", const VALUE, options(nomem, nostack, preserves_flags));
    }
}

/// Guests run on x86_64 only.
#[cfg(not(target_arch = "x86_64"))]
fn no_op<const VALUE: u32>() {}
