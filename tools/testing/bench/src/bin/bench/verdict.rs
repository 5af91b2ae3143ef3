// SPDX-License-Identifier: GPL-2.0

//! The targets, and whether they are met.

use std::fmt;

use lu_bench::work::Fate;
use lu_bench::work::Layout;
use lu_bench::work::Work;

use crate::cases::Run;
use crate::cases::Time;
use crate::cli::Variant;
use crate::phase::Phase;
use crate::results::Case;
use crate::results::Results;
use crate::results::each;
use crate::results::ratio;

const KI: u64 = 1 << 10;

const METADATA: &str =
    "metadata bytes, contiguous, greatest size, once the next kernel reads the new format";

/// A figure that must not be greater than a limit.
pub(crate) struct Target {
    /// What it is about.
    pub(crate) what: &'static str,
    /// The limit. Unless `what` says otherwise: ours divided by mainline's, instructions.
    pub(crate) limit: f64,
    measure: fn(&Results, Variant) -> Option<f64>,
}

/// The limits are the project's, not to be moved to where the figures are.
pub(crate) const TARGETS: [Target; 14] = [
    Target {
        what: "ingest, contiguous, 64 Ki folios",
        limit: 0.05,
        measure: |results, ours| {
            net_ratio(results, ours, Layout::Contiguous, 64 * KI, Phase::Ingest)
        },
    },
    Target {
        what: "ingest, scattered, 16 Ki folios",
        limit: 0.0005,
        measure: |results, ours| {
            net_ratio(results, ours, Layout::Scattered, 16 * KI, Phase::Ingest)
        },
    },
    Target {
        what: "ingest growth, scattered: cost a folio at 1 Mi, by that at 16 Ki or the first size that costs more than nothing",
        limit: 1.3,
        measure: |results, ours| {
            let cost = |pages| {
                let work = Work::memory(Layout::Scattered, pages);
                let net = results.net(Case::counted(work, ours), Phase::Ingest)?;
                Some(each(net, pages))
            };
            // What is reserved need not be freed: a few pages may cost less than none.
            let few = [16, 64, 256]
                .into_iter()
                .filter_map(|size| cost(size * KI))
                .find(|cost| *cost > 0.0)?;
            Some(cost(1024 * KI)? / few)
        },
    },
    Target {
        what: "blackout, 1 GiB scattered preserved, by that with nothing preserved",
        limit: 1.05,
        measure: |results, ours| {
            let case = Case::counted(Work::memory(Layout::Scattered, 256 * KI), ours);
            let total = i64::try_from(results.total(case, Phase::Blackout)?).ok()?;
            ratio(
                total,
                i64::try_from(results.base(case, Phase::Blackout)?).ok()?,
            )
        },
    },
    Target {
        what: "preserve, contiguous",
        limit: 0.50,
        measure: |results, ours| worst(results, ours, &[Layout::Contiguous], &[Phase::Preserve]),
    },
    Target {
        what: "preserve, scattered",
        limit: 0.75,
        measure: |results, ours| worst(results, ours, &[Layout::Scattered], &[Phase::Preserve]),
    },
    Target {
        what: "retrieve, contiguous",
        limit: 0.10,
        measure: |results, ours| worst(results, ours, &[Layout::Contiguous], &[Phase::FdRetrieve]),
    },
    Target {
        what: "retrieve, scattered",
        limit: 0.75,
        measure: |results, ours| worst(results, ours, &[Layout::Scattered], &[Phase::FdRetrieve]),
    },
    Target {
        what: "finish without retrieve",
        limit: 0.50,
        measure: |results, ours| worst(results, ours, &Layout::ALL, &[Phase::Discard]),
    },
    Target {
        what: "unpreserve",
        limit: 0.50,
        measure: |results, ours| worst(results, ours, &Layout::ALL, &[Phase::Unpreserve]),
    },
    Target {
        what: METADATA,
        limit: 0.01,
        measure: |results, ours| {
            // Of the greatest size: the fewer bytes there are, the more a page counts that is shared.
            let bytes = |work, variant| results.metadata(Case::counted(work, variant));
            let ratio = |work| ratio(bytes(work, ours)?, bytes(work, Variant::Mainline)?);
            memory(results, &[Layout::Contiguous])
                .filter_map(ratio)
                .last()
        },
    },
    Target {
        what: "n sessions, n files in a session: cost of one among the most, by that among 100",
        limit: 1.3,
        measure: growth,
    },
    Target {
        what: "n sessions, n files in a session: at n = 1",
        limit: 1.00,
        measure: |results, ours| worst_of(results, ours, [Work::sessions(1)].into_iter(), &CALLS),
    },
    Target {
        what: "any phase, any layout",
        limit: 1.00,
        measure: |results, ours| {
            let ratios = excesses(results, ours)
                .into_iter()
                .map(|excess| excess.ratio);
            let compared = results.works().into_iter().any(|work| {
                let total = |variant| results.total(Case::counted(work, variant), Phase::Blackout);
                total(ours).is_some() && total(Variant::Mainline).is_some()
            });
            compared.then(|| ratios.fold(1.0, f64::max))
        },
    },
];

/// Phases that are calls of a session's user.
const CALLS: [Phase; 8] = [
    Phase::Create,
    Phase::Preserve,
    Phase::Unpreserve,
    Phase::Open,
    Phase::SessionRetrieve,
    Phase::FdRetrieve,
    Phase::Finish,
    Phase::Discard,
];

impl Target {
    /// What was measured, if enough was.
    pub(crate) fn measure(&self, results: &Results, ours: Variant) -> Option<f64> {
        (self.measure)(results, ours)
    }

    /// Whether it is about a format. How small metadata can be is asked of the new one only.
    pub(crate) fn judges(&self, ours: Variant) -> bool {
        self.what != METADATA || ours == Variant::RustExtents
    }

    /// For people.
    pub(crate) fn verdict(&self, measured: Option<f64>) -> &'static str {
        match measured {
            None => "not measured",
            Some(measured) if measured <= self.limit => "PASS",
            Some(_) => "MISS",
        }
    }
}

/// A phase that takes longer than mainline's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Excess {
    pub(crate) work: Work,
    pub(crate) ours_is: Variant,
    pub(crate) memory_mib: u32,
    pub(crate) phase: Phase,
    pub(crate) ours: i64,
    pub(crate) theirs: i64,
    pub(crate) ratio: f64,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            work,
            ours_is,
            memory_mib,
            phase,
            ours,
            theirs,
            ratio,
        } = self;
        write!(
            f,
            "{}, {work}, {memory_mib} MiB: {} {ours}, mainline {theirs}, ratio {ratio:.4}",
            phase.name(),
            ours_is.name()
        )
    }
}

/// All phases that take longer than mainline's: of a boot by itself, and of what is preserved.
pub(crate) fn excesses(results: &Results, ours_is: Variant) -> Vec<Excess> {
    let boots = results.bases().into_iter().flat_map(|run| {
        // Each pair of runs once.
        let counted = run.variant == Variant::Mainline && run.time == Time::Instructions;
        let phases = Phase::ALL
            .into_iter()
            .filter(move |phase| counted && phase.has_base());
        phases.filter_map(move |phase| {
            let total = |variant| results.phase(&Run { variant, ..run }, phase);
            let ours = i64::try_from(total(ours_is)?).ok()?;
            let theirs = i64::try_from(total(Variant::Mainline)?).ok()?;
            excess(&run, ours_is, phase, [ours, theirs], resolution(phase))
        })
    });
    let works = results.works().into_iter().flat_map(|work| {
        let run = Run::new(work, Variant::Mainline, Time::Instructions, Fate::Keep);
        let compare = move |phase| above(results, &run, ours_is, phase);
        Phase::ALL.into_iter().filter_map(compare)
    });
    boots.chain(works).collect()
}

/// Those of both formats.
pub(crate) fn all_excesses(results: &Results) -> Vec<Excess> {
    let of = |ours_is| excesses(results, ours_is);
    Variant::OURS.into_iter().flat_map(of).collect()
}

/// Compares what a phase takes above nothing preserved.
fn above(results: &Results, run: &Run, ours_is: Variant, phase: Phase) -> Option<Excess> {
    let case = |variant| Case::counted(run.work, variant);
    let ours = results.net(case(ours_is), phase)?;
    let theirs = results.net(case(Variant::Mainline), phase)?;
    if !phase.has_base() {
        return excess(run, ours_is, phase, [ours, theirs], 0);
    }
    // As if both booted alike, which is judged by itself.
    let boot = i64::try_from(results.base(case(Variant::Mainline), phase)?).ok()?;
    // A difference of differences.
    let resolution = 2 * resolution(phase);
    excess(
        run,
        ours_is,
        phase,
        [boot + ours, boot + theirs],
        resolution,
    )
}

/// Instructions by which a phase of two runs may seem to differ though it takes equally long.
///
/// The log cuts off what is less than a microsecond, so that a moment that it tells is up to 1,000
/// instructions later than it says; and it is related to the counter to 50 of them. Moments that the
/// counter itself tells are exact: calls and the whole blackout may differ by nothing.
fn resolution(phase: Phase) -> i64 {
    const LOG: i64 = 1_000;
    const ANCHOR: i64 = 50;
    match phase {
        // One end by the log.
        Phase::Freeze | Phase::Boot => LOG + ANCHOR,
        // Both ends, of two kernels' logs.
        Phase::Jump => 2 * (LOG + ANCHOR),
        // Both ends, of one.
        Phase::Ingest => 2 * LOG,
        _ => 0,
    }
}

fn excess(
    run: &Run,
    ours_is: Variant,
    phase: Phase,
    [ours, theirs]: [i64; 2],
    resolution: i64,
) -> Option<Excess> {
    (ours - theirs > resolution).then(|| Excess {
        work: run.work,
        ours_is,
        memory_mib: run.memory_mib,
        phase,
        ours,
        theirs,
        // More than nothing is more by any ratio.
        ratio: ratio(ours, theirs).unwrap_or(f64::INFINITY),
    })
}

/// Our net figure by mainline's.
fn net_ratio(
    results: &Results,
    ours: Variant,
    layout: Layout,
    pages: u64,
    phase: Phase,
) -> Option<f64> {
    let work = Work::memory(layout, pages);
    let net = |variant| results.net(Case::counted(work, variant), phase);
    ratio(net(ours)?, net(Variant::Mainline)?)
}

/// The live updates of layouts, by size.
fn memory(results: &Results, layouts: &[Layout]) -> impl Iterator<Item = Work> {
    let wanted = |work: &Work| work.pages > 1 && layouts.contains(&work.layout);
    let works: Vec<Work> = results.works().into_iter().filter(wanted).collect();
    works.into_iter()
}

/// The greatest ratio, of all sizes of some layouts and of some phases.
fn worst(results: &Results, ours: Variant, layouts: &[Layout], phases: &[Phase]) -> Option<f64> {
    worst_of(results, ours, memory(results, layouts), phases)
}

fn worst_of(
    results: &Results,
    ours: Variant,
    works: impl Iterator<Item = Work>,
    phases: &[Phase],
) -> Option<f64> {
    let ratios = works.flat_map(|work| {
        phases.iter().filter_map(move |&phase| {
            let net = |variant| results.net(Case::counted(work, variant), phase);
            ratio(net(ours)?, net(Variant::Mainline)?)
        })
    });
    ratios.reduce(f64::max)
}

/// How much more one of many costs than one of 100, at most.
fn growth(results: &Results, ours: Variant) -> Option<f64> {
    const FEW: u64 = 100;
    let worst = |make: fn(u64) -> Work, many: u64| {
        let growth = |&phase: &Phase| {
            let cost = |count| {
                let net = results.net(Case::counted(make(count), ours), phase)?;
                // What drowns in the clock's resolution has no growth to speak of.
                (net > 100 * resolution(phase)).then(|| each(net, count))
            };
            Some(cost(many)? / cost(FEW)?)
        };
        let phases = CALLS
            .iter()
            .chain(&[Phase::Freeze, Phase::Ingest, Phase::Boot]);
        phases.filter_map(growth).reduce(f64::max)
    };
    let sessions = worst(Work::sessions, 1_000)?;
    Some(sessions.max(worst(Work::files, 10_000)?))
}

#[cfg(test)]
mod tests;
