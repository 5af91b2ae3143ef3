// SPDX-License-Identifier: GPL-2.0

//! Which live updates are measured, and by which runs.

use std::collections::BTreeSet;

use lu_bench::work::Fate;
use lu_bench::work::Layout;
use lu_bench::work::Work;

use crate::cli::Cli;
use crate::cli::Variant;
use crate::guest;

/// Sizes, in pages.
const SIZES: [u64; 5] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
/// The size that is also measured by the wall clock.
const WALL_SIZE: u64 = 16 << 10;
/// Numbers of sessions.
const SESSIONS: [u64; 4] = [1, 10, 100, 1_000];
/// Numbers of files in one session.
const FILES: [u64; 5] = [1, 10, 100, 1_000, 10_000];

/// The most scattered folios that mainline's early boot gets through within minutes, its time being
/// quadratic: 16 Ki take 5.6 G instructions, 64 Ki take 16 times that.
const MAINLINE_SCATTERED: u64 = 64 << 10;

/// By what a run is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Time {
    /// Instructions, which repeat.
    Instructions,
    /// The wall clock, which does not: number of the attempt.
    Wall(u32),
}

/// One start of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) work: Work,
    pub(crate) variant: Variant,
    pub(crate) time: Time,
    pub(crate) fate: Fate,
    pub(crate) memory_mib: u32,
}

impl Run {
    /// A run of one kernel.
    pub(crate) fn new(work: Work, variant: Variant, time: Time, fate: Fate) -> Self {
        Self {
            work,
            variant,
            time,
            fate,
            memory_mib: guest::memory_mib(work.all_pages()),
        }
    }

    /// About how many seconds it takes on a machine that does nothing else.
    pub(crate) fn estimate(self) -> f64 {
        const START: f64 = 6.0;
        const EACH_WRITTEN: f64 = 2.5e-5;
        const EACH_READ: f64 = 2.5e-5;
        const EACH_FILE: f64 = 1e-4;
        /// A pair of scattered folios of mainline: what makes its early boot quadratic.
        const EACH_PAIR: f64 = 3e-8;
        if self.refusal().is_some() {
            return 0.0;
        }
        let count = |count: u64| u32::try_from(count).map_or(f64::MAX, f64::from);
        let (pages, scattered) = (count(self.work.all_pages()), count(self.scattered()));
        let read = match self.fate {
            Fate::Keep => 2.0 * pages,
            Fate::Discard => pages,
        };
        let pairs = match self.variant {
            Variant::Mainline => scattered * scattered,
            Variant::Rust | Variant::RustExtents => 0.0,
        };
        let files = count(self.work.sessions * self.work.files_each());
        START
            + (pages + scattered) * EACH_WRITTEN
            + read * EACH_READ
            + files * EACH_FILE
            + pairs * EACH_PAIR
    }

    /// Folios that have no neighbour.
    fn scattered(self) -> u64 {
        let files = self.work.layout.files(self.work.pages);
        let scattered = files
            .iter()
            .filter(|(layout, _)| *layout == Layout::Scattered);
        scattered.map(|(_, pages)| pages).sum()
    }

    /// The run that it is to be compared with: the same, with nothing preserved.
    pub(crate) fn base(self) -> Self {
        Self {
            work: Work::NOTHING,
            fate: Fate::Keep,
            ..self
        }
    }

    /// Why it is not even tried, if so.
    pub(crate) fn refusal(self) -> Option<String> {
        let scattered = self.scattered();
        (self.variant == Variant::Mainline && scattered > MAINLINE_SCATTERED).then(|| {
            format!(
                "not run: mainline's early boot is quadratic in scattered folios, {scattered} take it hours"
            )
        })
    }
}

/// The live updates that are asked for, small ones first.
pub(crate) fn works(cli: &Cli) -> Vec<Work> {
    let layouts = |layouts: &[Layout], sizes: &[u64]| -> Vec<Work> {
        let of_size = |&pages| {
            layouts
                .iter()
                .map(move |&layout| Work::memory(layout, pages))
        };
        sizes.iter().flat_map(of_size).collect()
    };
    let counts = |sessions: &[u64], files: &[u64]| -> Vec<Work> {
        let sessions = sessions.iter().map(|&count| Work::sessions(count));
        let files = files.iter().map(|&count| Work::files(count));
        sessions.chain(files).collect()
    };
    if cli.quick {
        return layouts(&[Layout::Contiguous, Layout::Scattered], &SIZES[..2]);
    }
    if !cli.chosen() {
        let mut works = layouts(&Layout::ALL, &SIZES);
        works.extend(counts(&SESSIONS, &FILES));
        // One session with one file is in both series.
        let mut seen = BTreeSet::new();
        works.retain(|&work| seen.insert(work));
        return works;
    }
    let mut works = counts(&cli.sessions, &cli.files);
    if !cli.layout.is_empty() || !cli.folios.is_empty() {
        let or = |chosen: &[u64]| {
            if chosen.is_empty() {
                SIZES.to_vec()
            } else {
                chosen.to_vec()
            }
        };
        let chosen = match &cli.layout[..] {
            [] => &Layout::ALL,
            chosen => chosen,
        };
        works.extend(layouts(chosen, &or(&cli.folios)));
    }
    works
}

/// Whether a live update is also measured by the wall clock.
pub(crate) fn by_wall(cli: &Cli, work: Work) -> bool {
    let wanted = matches!(work.layout, Layout::Contiguous | Layout::Scattered);
    cli.chosen() || (wanted && work.pages == WALL_SIZE)
}

/// The runs that measure a live update by one clock.
pub(crate) fn runs(cli: &Cli, work: Work, time: Time) -> Vec<Run> {
    let mut runs = Vec::new();
    for variant in cli.variants() {
        let run = Run::new(work, variant, time, Fate::Keep);
        if !cli.no_base {
            runs.push(run.base());
        }
        runs.push(run);
        if !cli.no_discard && work != Work::NOTHING {
            runs.push(Run {
                fate: Fate::Discard,
                ..run
            });
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn works_of(arguments: &[&str]) -> Vec<Work> {
        works(&Cli::parse_from([&["bench"], arguments].concat()))
    }

    #[test]
    fn everything_is_all_layouts_at_all_sizes_and_the_two_series() {
        let all = works_of(&[]);
        assert_eq!(all.len(), 6 * 5 + 4 + 5 - 1);
        assert!(all.contains(&Work::memory(Layout::Mixed, 1 << 20)));
        assert!(all.contains(&Work::sessions(1_000)));
        assert!(all.contains(&Work::files(10_000)));
    }

    #[test]
    fn cases_can_be_chosen() {
        assert_eq!(works_of(&["--quick"]).len(), 4);
        assert_eq!(works_of(&["--layout", "thp"]).len(), 5);
        assert_eq!(works_of(&["--folios", "512"]).len(), 6);
        assert_eq!(works_of(&["--files", "3,5"]).len(), 2);
        assert_eq!(
            works_of(&["--layout", "thp", "--folios", "512", "--files", "3"]).len(),
            2
        );
    }

    #[test]
    fn only_mainline_is_spared_what_it_cannot_do() {
        let refused = |work, variant| {
            Run::new(work, variant, Time::Instructions, Fate::Keep)
                .refusal()
                .is_some()
        };
        let many = Work::memory(Layout::Scattered, 256 << 10);
        assert!(refused(many, Variant::Mainline));
        assert!(!refused(many, Variant::Rust));
        assert!(!refused(many, Variant::RustExtents));
        assert!(!refused(
            Work::memory(Layout::Contiguous, 1 << 20),
            Variant::Mainline
        ));
        assert!(!refused(
            Work::memory(Layout::Scattered, 64 << 10),
            Variant::Mainline
        ));
        assert!(refused(
            Work::memory(Layout::Mixed, 1 << 20),
            Variant::Mainline
        ));
    }
}
