// SPDX-License-Identifier: GPL-2.0

//! What can be asked for.

use std::num::NonZero;
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
/// Without arguments that choose cases, all are measured that Documentation/benchmarks.rst lists. The exit
/// status is 0 if no phase is above mainline, 1 if one is or data was damaged.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Cli {
    /// Measure one kernel and format only.
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
    /// How often some cases are also run by the wall clock, with two processors. Three times by default,
    /// or never where cases are chosen.
    #[arg(long)]
    pub(crate) wall: Option<u32>,

    /// Also count the instructions of each phase by function. Needs a C compiler, and each image's System.map
    /// beside it. Figures stay the same; the wall clock's runs are not counted.
    #[arg(long)]
    pub(crate) profile: bool,
    /// How many functions of a phase a profile shows.
    #[arg(long, default_value_t = 20, requires = "profile")]
    pub(crate) profile_top: usize,

    /// How many guests run at once, as far as there is memory for them. Counts do not depend on it; those by the wall clock run alone.
    #[arg(long, default_value_t = default_jobs())]
    pub(crate) jobs: usize,
    /// What content and random orders are drawn from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Seconds until a run is given up.
    #[arg(long, default_value_t = 900)]
    pub(crate) deadline: u64,
    /// Where the figures go, as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Where growth curves go, as SVG.
    #[arg(long)]
    pub(crate) svg: Option<PathBuf>,
}

/// As many as there are processors.
fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// What is run: a kernel, and the format in which it hands memfds over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Variant {
    /// This repository, in mainline's format.
    Rust,
    /// This repository, in its own format of extents.
    RustExtents,
    /// The C code of the same kernel version.
    Mainline,
}

impl Variant {
    /// All, in the order in which they are shown.
    pub(crate) const ALL: [Self; 3] = [Self::Rust, Self::RustExtents, Self::Mainline];
    /// Those that are compared with mainline.
    pub(crate) const OURS: [Self; 2] = [Self::Rust, Self::RustExtents];

    /// For people, and as `--only` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::RustExtents => "rust-extents",
            Self::Mainline => "mainline",
        }
    }

    /// The format of memfds, as the verdicts call it.
    pub(crate) fn format(self) -> &'static str {
        match self {
            Self::Rust | Self::Mainline => "compatible",
            Self::RustExtents => "extents",
        }
    }

    /// What both kernels are told about the format. The compatible one is the default.
    pub(crate) fn cmdline(self) -> Option<&'static str> {
        match self {
            Self::Rust | Self::Mainline => None,
            Self::RustExtents => Some("liveupdate_memfd=extents"),
        }
    }
}

impl Cli {
    /// Whether the cases are chosen by hand.
    pub(crate) fn chosen(&self) -> bool {
        let layouts = self.layout.is_empty() && self.folios.is_empty();
        !layouts || !self.sessions.is_empty() || !self.files.is_empty()
    }

    /// How often cases are run by the wall clock.
    pub(crate) fn attempts(&self) -> u32 {
        self.wall.unwrap_or(if self.chosen() { 0 } else { 3 })
    }

    /// What is to be measured.
    pub(crate) fn variants(&self) -> Vec<Variant> {
        match (self.only, &self.image) {
            (Some(only), _) => vec![only],
            (None, Some(_)) => vec![Variant::Rust],
            (None, None) => Variant::ALL.to_vec(),
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
        assert_eq!(cli.variants(), Variant::ALL);
        let cli = Cli::parse_from(["bench", "--image", "/x"]);
        assert_eq!(cli.variants(), [Variant::Rust]);
        for variant in Variant::ALL {
            let cli = Cli::parse_from(["bench", "--only", variant.name()]);
            assert_eq!(cli.variants(), [variant]);
        }
        assert!(Cli::try_parse_from(["bench", "--image-next", "/x"]).is_err());
        assert!(Cli::try_parse_from(["bench", "--quick", "--folios", "1"]).is_err());
    }
}
