// SPDX-License-Identifier: GPL-2.0

//! Live-updates a kernel in QEMU and shows that real data came through.

mod corpus;
mod follow;
mod images;
mod report;

use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use clap::Parser;
use lu_demo::FILES_PATH;
use lu_demo::NEXT_INITRD_PATH;
use lu_demo::NEXT_KERNEL_PATH;
use lu_demo::PLAN_PATH;
use lu_demo::Plan;
use lu_vm::Arch;
use lu_vm::Boot;
use lu_vm::Build;
use lu_vm::Initramfs;

use crate::corpus::Corpus;
use crate::images::Kernel;
use crate::images::Side;

/// Live-update a kernel in QEMU, and check that every byte that was preserved came through.
///
/// Kernel images are found by environment variables such as LU_IMAGE_RUST_A and LU_IMAGE_MAINLINE_B (A is
/// the kernel before, B the one after), the kernel's source by LU_KERNEL_SOURCE. `make demo` builds what
/// is missing and sets them.
#[derive(Debug, Parser)]
struct Cli {
    /// Whose implementation the first kernel has.
    #[arg(long, value_enum, default_value_t = Side::Rust)]
    from: Side,
    /// Whose implementation the second kernel has.
    #[arg(long, value_enum, default_value_t = Side::Rust)]
    to: Side,
    /// How many files of the kernel's Documentation/ to preserve.
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u32).range(1..))]
    files: u32,
    /// How many sessions to spread them over.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=99))]
    sessions: u32,
    /// The size of the large file in MiB.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    big_mib: u32,
    /// What the large file and the order of retrieval are made from, for doing a run again.
    #[arg(long, value_parser = parse_seed)]
    seed: Option<u64>,
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

/// The program that is `/init` in both kernels.
const GUEST: &str = "lu-demo-guest";

/// Memory of the guest in MiB, besides twice the large file. The file is there once; nothing else shall
/// be short of memory because of it.
const GUEST_MIB: u32 = 1536;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => {
            println!("\nPASSED: every byte came through the live update unchanged.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\nFAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let arch = Arch::from_env()?;
    ensure!(
        arch == Arch::X86_64 && !arch.is_foreign(),
        "the demo runs x86_64 kernels on x86_64 only, because its guest program is built for that"
    );
    let from = images::find(cli.from, Build::A)?;
    let to = images::find(cli.to, Build::B)?;
    let source = images::source()?;
    let seed = cli.seed.unwrap_or_else(random_seed);

    println!("live update from {from} to {to}, seed {seed:#018x}");
    if let (Some(a), Some(b)) = (&from.release, &to.release) {
        check_releases(a, b, cli.allow_same_release)?;
    }
    let clock = Instant::now();
    report::step(clock, "building the guest's program");
    let guest = lu_vm::rust::static_program(env!("CARGO_MANIFEST_DIR").as_ref(), GUEST)?;
    report::step(
        clock,
        "choosing files, and computing what their SHA-256 must be",
    );
    let big_bytes = u64::from(cli.big_mib) << 20;
    let corpus = Corpus::choose(&source, cli.files)?;
    let expected = corpus.digest(cli.sessions, seed, big_bytes)?;
    report::step(
        clock,
        &format!(
            "chose {} files of {}",
            corpus.len(),
            source.join("Documentation").display()
        ),
    );

    let plan = Plan::Before {
        seed,
        sessions: cli.sessions,
        big_bytes,
    };
    let root = first_root(&guest, &corpus, &plan, &to, seed)?;
    let boot = Boot::new("demo", arch, &from.path, root)
        .memory_mib(GUEST_MIB + 2 * cli.big_mib)
        .deadline(Duration::from_secs(cli.deadline))
        .cmdline("kho=on liveupdate=on printk.devkmsg=on");
    report::step(clock, "booting the first kernel");
    let outcome = follow::run(boot.start()?, clock)?;
    report::show(&outcome, &expected, cli.big_mib);
    report::judge(&outcome, &expected)?;
    check_releases(&outcome.from, &outcome.to, cli.allow_same_release)
}

/// A live update that ends in the same kernel cannot be told from one that did not happen.
fn check_releases(from: &str, to: &str, allowed: bool) -> Result<()> {
    ensure!(
        from != to || allowed,
        "both kernels call themselves {from}, so the screen could not show that one followed the \
         other: build the second with another CONFIG_LOCALVERSION"
    );
    Ok(())
}

/// The root file system of the first kernel, with that of the second inside.
fn first_root(
    guest: &std::path::Path,
    corpus: &Corpus,
    plan: &Plan,
    to: &Kernel,
    seed: u64,
) -> Result<Initramfs> {
    let root = |plan: &Plan| -> Result<Initramfs> {
        let plan = serde_json::to_vec(plan)?;
        let root = Initramfs::new()
            .device("/dev/kmsg", 1, 11)
            .program("/init", guest)?;
        Ok(root.data(PLAN_PATH, plan))
    };
    let after = Plan::After {
        // Another number, so that the order has nothing to do with the data.
        shuffle_seed: !seed,
    };
    let mut first = root(plan)?
        .file(NEXT_KERNEL_PATH, &to.path)?
        .nested(NEXT_INITRD_PATH, root(&after)?)?;
    for (name, path) in corpus.files() {
        first = first
            .file(&format!("{FILES_PATH}/{name}"), path)
            .context("packing the files")?;
    }
    Ok(first)
}

/// A number that differs from run to run.
fn random_seed() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["demo", "--from", "mainline", "--seed", "0x10"]);
        assert_eq!(
            (cli.from, cli.to, cli.seed),
            (Side::Mainline, Side::Rust, Some(16))
        );
        assert!(Cli::try_parse_from(["demo", "--seed", "x"]).is_err());
    }

    #[test]
    fn equal_releases_are_refused_unless_allowed() {
        assert!(check_releases("7.3.4-a", "7.3.4-a", false).is_err());
        assert!(check_releases("7.3.4-a", "7.3.4-a", true).is_ok());
        assert!(check_releases("7.3.4-a", "7.3.4-b", false).is_ok());
    }
}
