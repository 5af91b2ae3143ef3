// SPDX-License-Identifier: GPL-2.0

//! What can be asked for.

use std::path::PathBuf;

use clap::Parser;
use clap::ValueEnum;
use lu_bench::work::Layout;
use serde::Serialize;

/// Measure live updates of this repository and of mainline's C implementation side by side.
///
/// Kernel images are found by the variables LU_IMAGE_RUST_A and LU_IMAGE_MAINLINE_A; tools/build/bench.sh
/// builds what is missing, sets them, and passes its arguments on. Each kernel is live-updated into itself.
///
/// Without arguments that choose cases, all are measured that Documentation/benchmarks.rst lists.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Cli {
    /// Measure one implementation only.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Variant>,
    /// Measure this kernel image, as what --only says it is (default: rust).
    #[arg(long)]
    pub(crate) image: Option<PathBuf>,
    /// Live-update into this kernel image instead of into the same.
    #[arg(long, requires = "image")]
    pub(crate) image_next: Option<PathBuf>,

    /// The cases that take a few minutes: contiguous and scattered, 4096 and 16384 folios.
    #[arg(long, conflicts_with_all = ["layout", "folios", "sessions", "files"])]
    pub(crate) quick: bool,
    /// Only these layouts.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) layout: Vec<Layout>,
    /// Only these sizes, in pages of 4 KiB.
    #[arg(long, value_delimiter = ',')]
    pub(crate) folios: Vec<u64>,
    /// Instead of layouts: this many sessions, each with a file of one page.
    #[arg(long, value_delimiter = ',')]
    pub(crate) sessions: Vec<u64>,
    /// Instead of layouts: one session with this many files of one page.
    #[arg(long, value_delimiter = ',')]
    pub(crate) files: Vec<u64>,

    /// Leave out the runs in which what was preserved is discarded: unpreserve, finish without retrieve.
    #[arg(long)]
    pub(crate) no_discard: bool,
    /// Leave out the runs that preserve nothing; then there are no differences to them.
    #[arg(long)]
    pub(crate) no_base: bool,
    /// Leave out the runs by the wall clock.
    #[arg(long)]
    pub(crate) no_wall: bool,

    /// What content and random orders are drawn from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Seconds until a run is given up.
    #[arg(long, default_value_t = 900)]
    pub(crate) deadline: u64,
    /// Where the figures go, as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// Whose implementation a kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Variant {
    /// This repository.
    Rust,
    /// The C code of the same kernel version.
    Mainline,
}

impl Variant {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Mainline => "mainline",
        }
    }
}

impl Cli {
    /// What is to be measured.
    pub(crate) fn variants(&self) -> Vec<Variant> {
        match (self.only, &self.image) {
            (Some(only), _) => vec![only],
            (None, Some(_)) => vec![Variant::Rust],
            (None, None) => vec![Variant::Rust, Variant::Mainline],
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["bench", "--layout", "thp,mixed", "--folios", "4096"]);
        assert_eq!(cli.layout, [Layout::Thp, Layout::Mixed]);
        assert_eq!(cli.variants(), [Variant::Rust, Variant::Mainline]);
        let cli = Cli::parse_from(["bench", "--image", "/x"]);
        assert_eq!(cli.variants(), [Variant::Rust]);
        assert!(Cli::try_parse_from(["bench", "--image-next", "/x"]).is_err());
        assert!(Cli::try_parse_from(["bench", "--quick", "--folios", "1"]).is_err());
    }
}
