// SPDX-License-Identifier: GPL-2.0

//! What the demos share on the host: options, kernels, the guest's start, and the verdict.

pub mod follow;
pub mod images;
pub mod report;

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::ensure;
use lu_vm::Arch;
use lu_vm::Boot;
use lu_vm::Build;
use lu_vm::Initramfs;
use serde::Serialize;

use crate::guest::NEXT_INITRD_PATH;
use crate::guest::NEXT_KERNEL_PATH;
use crate::guest::PLAN_PATH;
use crate::host::follow::Guest;
use crate::host::follow::Work;
use crate::host::images::Kernel;
use crate::host::images::Side;

/// What both kernels are told.
const CMDLINE: &str = "kho=on liveupdate=on printk.devkmsg=on";

/// Options of every demo.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// What random data and random orders are made from, for doing a run again.
    #[arg(long, value_parser = parse_seed)]
    pub seed: Option<u64>,
    /// How long the virtual machine may take in all, in seconds.
    #[arg(long, default_value_t = 600)]
    deadline: u64,
    /// For work on the demo itself: let both kernels have the same version string.
    #[arg(long)]
    allow_same_release: bool,
}

fn parse_seed(text: &str) -> Result<u64, String> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .map_err(|error| format!("{error}; a seed is a number, hexadecimal after 0x"))
}

/// A live update that is going to be shown.
#[derive(Debug)]
pub struct Show {
    from: Kernel,
    to: Kernel,
    seed: u64,
    clock: Instant,
    deadline: Duration,
    allow_same_release: bool,
}

impl Show {
    /// Finds the kernels, and says what is going to happen. `what` is carried over.
    ///
    /// # Errors
    ///
    /// An image is missing, or this machine cannot run the demo.
    pub fn announce(options: &Options, from: Side, to: Side, what: &str) -> Result<Self> {
        let arch = Arch::from_env()?;
        ensure!(
            arch == Arch::X86_64 && !arch.is_foreign(),
            "the demo runs x86_64 kernels on x86_64 only, because its guest program is built for that"
        );
        let show = Self {
            from: images::find(from, Build::A)?,
            to: images::find(to, Build::B)?,
            seed: options.seed.unwrap_or_else(random_seed),
            clock: Instant::now(),
            deadline: Duration::from_secs(options.deadline),
            allow_same_release: options.allow_same_release,
        };
        let Self { from, to, seed, .. } = &show;
        println!("live update of {what} from {from} to {to}, seed {seed:#018x}");
        if let (Some(a), Some(b)) = (&from.release, &to.release) {
            show.check_releases(a, b)?;
        }
        Ok(show)
    }

    /// What random data is made from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Says what begins.
    pub fn step(&self, text: &str) {
        report::step(self.clock, text);
    }

    /// Builds the program `name` of this package, which is to be `/init` in both kernels.
    ///
    /// # Errors
    ///
    /// It cannot be built.
    pub fn build_guest(&self, name: &str) -> Result<PathBuf> {
        self.step("building the guest's program");
        lu_vm::rust::static_program(env!("CARGO_MANIFEST_DIR").as_ref(), name)
    }

    /// The root file system of the first kernel, with that of the second inside.
    ///
    /// # Errors
    ///
    /// A file is missing.
    pub fn root(
        &self,
        guest: &Path,
        before: &impl Serialize,
        after: &impl Serialize,
    ) -> Result<Initramfs> {
        root(guest, before)?
            .file(NEXT_KERNEL_PATH, &self.to.path)?
            .nested(NEXT_INITRD_PATH, root(guest, after)?)
    }

    /// A guest that begins with the first kernel. `name` is that of its logs.
    #[must_use]
    pub fn boot(&self, name: &str, root: Initramfs) -> Boot {
        Boot::new(name, Arch::X86_64, &self.from.path, root)
            .deadline(self.deadline)
            .cmdline(CMDLINE)
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// QEMU does not start.
    pub fn start<W: Work>(&self, boot: Boot) -> Result<Guest<W>> {
        self.step("booting the first kernel");
        Ok(Guest::new(boot.start()?, self.clock))
    }

    /// A live update that ends in the same kernel cannot be told from one that did not happen.
    ///
    /// # Errors
    ///
    /// Both are the same, and that was not allowed.
    pub fn check_releases(&self, from: &str, to: &str) -> Result<()> {
        check_releases(from, to, self.allow_same_release)
    }
}

fn check_releases(from: &str, to: &str, allow_same: bool) -> Result<()> {
    ensure!(
        from != to || allow_same,
        "both kernels call themselves {from}, so the screen could not show that one followed the \
         other: build the second with another CONFIG_LOCALVERSION"
    );
    Ok(())
}

/// The root file system of a kernel.
fn root(guest: &Path, plan: &impl Serialize) -> Result<Initramfs> {
    let root = Initramfs::new()
        .device("/dev/kmsg", 1, 11)
        .program("/init", guest)?;
    Ok(root.data(PLAN_PATH, serde_json::to_vec(plan)?))
}

/// Ends a demo. `passed` says what it has shown.
pub fn conclude(result: Result<()>, passed: &str) -> ExitCode {
    match result {
        Ok(()) => {
            println!("\nPASSED: {passed}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\nFAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A number that differs from run to run.
fn random_seed() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_decimal_or_hexadecimal() {
        assert_eq!(parse_seed("16"), Ok(16));
        assert_eq!(parse_seed("0x10"), Ok(16));
        assert!(parse_seed("x").is_err());
    }

    #[test]
    fn equal_releases_are_refused_unless_allowed() {
        assert!(check_releases("7.3.4-a", "7.3.4-a", false).is_err());
        assert!(check_releases("7.3.4-a", "7.3.4-a", true).is_ok());
        assert!(check_releases("7.3.4-a", "7.3.4-b", false).is_ok());
    }
}
