// SPDX-License-Identifier: GPL-2.0

//! Which live updates are measured, and by which runs.

use lu_bench::work::Fate;
use lu_bench::work::Layout;
use lu_bench::work::Work;

use crate::cli::Cli;
use crate::cli::Variant;
use crate::guest;

/// Sizes, in pages.
const SIZES: [u64; 5] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
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
        let scattered: u64 = self
            .work
            .layout
            .files(self.work.pages)
            .iter()
            .filter(|(layout, _)| *layout == Layout::Scattered)
            .map(|(_, pages)| pages)
            .sum();
        (self.variant == Variant::Mainline && scattered > MAINLINE_SCATTERED).then(|| {
            format!(
                "not run: mainline's early boot is quadratic in scattered folios, {scattered} take it hours"
            )
        })
    }
}

/// The live updates that are asked for.
pub(crate) fn works(cli: &Cli) -> Vec<Work> {
    let layouts = |layouts: &[Layout], sizes: &[u64]| -> Vec<Work> {
        sizes
            .iter()
            .flat_map(|&pages| {
                layouts
                    .iter()
                    .map(move |&layout| Work::memory(layout, pages))
            })
            .collect()
    };
    if cli.quick {
        return layouts(&[Layout::Contiguous, Layout::Scattered], &SIZES[..2]);
    }
    let counts = |cli: &Cli| -> Vec<Work> {
        let sessions = cli.sessions.iter().map(|&count| Work::sessions(count));
        let files = cli.files.iter().map(|&count| Work::files(count));
        sessions.chain(files).collect()
    };
    let mut works = counts(cli);
    let chosen = !cli.layout.is_empty() || !cli.folios.is_empty();
    if chosen || works.is_empty() {
        let all = |chosen: &[Layout]| match chosen {
            [] => Layout::ALL.to_vec(),
            chosen => chosen.to_vec(),
        };
        let sizes = match &cli.folios[..] {
            [] => &SIZES,
            chosen => chosen,
        };
        let everything = !chosen && works.is_empty();
        works.extend(layouts(&all(&cli.layout), sizes));
        if everything {
            works.extend(SESSIONS.map(Work::sessions));
            works.extend(FILES.map(Work::files));
        }
    }
    works
}

/// The runs that measure a live update by one clock.
pub(crate) fn runs(cli: &Cli, work: Work, time: Time) -> Vec<Run> {
    let mut runs = Vec::new();
    for variant in cli.variants() {
        let run = Run {
            work,
            variant,
            time,
            fate: Fate::Keep,
            memory_mib: guest::memory_mib(work.all_pages()),
        };
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
