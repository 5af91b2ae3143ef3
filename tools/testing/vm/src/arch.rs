// SPDX-License-Identifier: GPL-2.0

//! What differs between the machines that QEMU plays.

use std::env;

use anyhow::Result;
use anyhow::bail;

/// The architecture of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// A PC, `qemu-system-x86_64`.
    X86_64,
    /// QEMU's `virt` board, `qemu-system-aarch64`.
    Arm64,
}

impl Arch {
    /// The architecture that `ARCH` asks for, in the kernel's spelling; x86_64 when it is not set.
    pub fn from_env() -> Result<Self> {
        match env::var("ARCH").as_deref() {
            Err(_) | Ok("" | "x86" | "x86_64") => Ok(Self::X86_64),
            Ok("arm64" | "aarch64") => Ok(Self::Arm64),
            Ok(other) => bail!("ARCH={other} is not supported; use ARCH=x86_64 or ARCH=arm64"),
        }
    }

    /// The QEMU program, to be found in `PATH`.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Arm64 => "qemu-system-aarch64",
        }
    }

    /// The arguments that choose the machine.
    pub fn machine(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &[],
            // The cipher that pointers are signed with by default takes most of the time.
            Self::Arm64 => &["-M", "virt", "-cpu", "max,pauth-impdef=on"],
        }
    }

    /// What the kernel's command line begins with: where the console is, and what a PC's clocks need
    /// not be checked for on a busy host.
    ///
    /// QEMU may miss the ticks by which the kernel checks its timer, and panics if there are none. Checking the
    /// TSC hangs Linux 7.3: `watchdog_check_skew()` waits for another CPU with interrupts off, for a while by
    /// a clock that is jiffies until `timekeeping_notify()` has stopped the machine. If that one waits
    /// in `stop_machine()` just then, neither ends: nobody counts jiffies.
    pub fn cmdline(self) -> &'static str {
        match self {
            Self::X86_64 => "console=ttyS0 no_timer_check tsc=nowatchdog",
            Self::Arm64 => "console=ttyAMA0",
        }
    }

    /// The value of `ARCH=` for the kernel's own make.
    pub fn kbuild(self) -> &'static str {
        match self {
            Self::X86_64 => "x86",
            Self::Arm64 => "arm64",
        }
    }

    /// The target triple for clang, and the prefix of a GNU cross compiler.
    pub fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }

    /// Whether programs for this guest need a cross compiler on this machine.
    pub fn is_foreign(self) -> bool {
        match self {
            Self::X86_64 => !cfg!(target_arch = "x86_64"),
            Self::Arm64 => !cfg!(target_arch = "aarch64"),
        }
    }
}
