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

    /// What the kernel's command line begins with: where the console is, and for a PC which of its clocks
    /// the kernel need not check, since that ends badly on a busy host.
    ///
    /// The timer: QEMU may miss the ticks that the kernel counts, which then panics.
    ///
    /// The TSC: Linux 7.3 hangs if `watchdog_check_skew()` waits for a CPU that waits in `stop_machine()` until all
    /// have come, as it does when clocks are switched in boot. The former would give up after some time, but
    /// the clock until then is jiffies, and with interrupts off on both sides nobody counts them.
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
