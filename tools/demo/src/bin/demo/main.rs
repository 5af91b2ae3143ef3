// SPDX-License-Identifier: GPL-2.0

//! Live-updates a kernel in QEMU and shows that real data came through.

mod corpus;
mod follow;
mod report;

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use clap::Parser;
use lu_demo::files::FILES_PATH;
use lu_demo::files::Plan;
use lu_demo::host;
use lu_demo::host::Options;
use lu_demo::host::Show;
use lu_demo::host::images;
use lu_demo::host::images::Side;

use crate::corpus::Corpus;

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
    #[command(flatten)]
    options: Options,
}

/// The program that is `/init` in both kernels.
const GUEST: &str = "lu-demo-guest";

/// Memory of the guest in MiB, besides twice the large file. The file is there once; nothing else shall
/// be short of memory because of it.
const GUEST_MIB: u32 = 1536;

fn main() -> ExitCode {
    let cli = Cli::parse();
    host::conclude(
        run(&cli),
        "every byte came through the live update unchanged.",
    )
}

fn run(cli: &Cli) -> Result<()> {
    let show = Show::announce(&cli.options, cli.from, cli.to, "files")?;
    let source = images::source()?;
    let guest = show.build_guest(GUEST)?;
    show.step("choosing files, and computing what their SHA-256 must be");
    let big_bytes = u64::from(cli.big_mib) << 20;
    let corpus = Corpus::choose(&source, cli.files)?;
    let expected = corpus.digest(cli.sessions, show.seed(), big_bytes)?;
    show.step(&format!(
        "chose {} files of {}",
        corpus.len(),
        source.join("Documentation").display()
    ));

    let before = Plan::Before {
        seed: show.seed(),
        sessions: cli.sessions,
        big_bytes,
    };
    let after = Plan::After {
        // Another number, so that the order has nothing to do with the data.
        shuffle_seed: !show.seed(),
    };
    let mut root = show.root(&guest, &before, &after)?;
    for (name, path) in corpus.files() {
        root = root
            .file(&format!("{FILES_PATH}/{name}"), path)
            .context("packing the files")?;
    }
    let boot = show
        .boot("demo", root)
        .memory_mib(GUEST_MIB + 2 * cli.big_mib);
    let outcome = follow::run(show.start(boot)?)?;
    report::show(&outcome, &expected, cli.big_mib);
    report::judge(&outcome, &expected)?;
    show.check_releases(&outcome.from, &outcome.to.release)
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
            (cli.from, cli.to, cli.options.seed),
            (Side::Mainline, Side::Rust, Some(16))
        );
    }
}
