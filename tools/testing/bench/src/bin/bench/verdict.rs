// SPDX-License-Identifier: GPL-2.0

//! The targets, and whether they are met.

use std::fmt;

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

/// A figure that must not be greater than a limit.
pub(crate) struct Target {
    /// What it is about.
    pub(crate) what: &'static str,
    /// The limit. Unless `what` says otherwise: ours divided by mainline's, instructions.
    pub(crate) limit: f64,
    measure: fn(&Results) -> Option<f64>,
}

/// The limits are the project's, not to be moved to where the figures are.
pub(crate) const TARGETS: [Target; 14] = [
    Target {
        what: "ingest, contiguous, 64 Ki folios",
        limit: 0.05,
        measure: |results| net_ratio(results, Layout::Contiguous, 64 * KI, Phase::Ingest),
    },
    Target {
        what: "ingest, scattered, 16 Ki folios",
        limit: 0.0005,
        measure: |results| net_ratio(results, Layout::Scattered, 16 * KI, Phase::Ingest),
    },
    Target {
        what: "ingest growth, scattered: cost a folio at 1 Mi, by that at 16 Ki",
        limit: 1.3,
        measure: |results| {
            let cost = |pages| {
                let work = Work::memory(Layout::Scattered, pages);
                let net = results.net(Case::counted(work, Variant::Rust), Phase::Ingest)?;
                Some(each(net, pages))
            };
            Some(cost(1024 * KI)? / cost(16 * KI)?)
        },
    },
    Target {
        what: "blackout, 1 GiB scattered preserved, by that with nothing preserved",
        limit: 1.05,
        measure: |results| {
            let case = Case::counted(Work::memory(Layout::Scattered, 256 * KI), Variant::Rust);
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
        measure: |results| worst(results, &[Layout::Contiguous], &[Phase::Preserve]),
    },
    Target {
        what: "preserve, scattered",
        limit: 0.75,
        measure: |results| worst(results, &[Layout::Scattered], &[Phase::Preserve]),
    },
    Target {
        what: "retrieve, contiguous",
        limit: 0.10,
        measure: |results| worst(results, &[Layout::Contiguous], &[Phase::FdRetrieve]),
    },
    Target {
        what: "retrieve, scattered",
        limit: 0.75,
        measure: |results| worst(results, &[Layout::Scattered], &[Phase::FdRetrieve]),
    },
    Target {
        what: "finish without retrieve",
        limit: 0.50,
        measure: |results| worst(results, &Layout::ALL, &[Phase::Discard]),
    },
    Target {
        what: "unpreserve",
        limit: 0.50,
        measure: |results| worst(results, &Layout::ALL, &[Phase::Unpreserve]),
    },
    Target {
        what: "metadata bytes, contiguous, once the next kernel reads the new format",
        limit: 0.01,
        measure: |results| {
            // Of the greatest size: the fewer bytes there are, the more a page counts that is shared.
            let bytes = |work, variant| results.metadata(Case::counted(work, variant));
            let ratio = |work| ratio(bytes(work, Variant::Rust)?, bytes(work, Variant::Mainline)?);
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
        measure: |results| worst_of(results, [Work::sessions(1)].into_iter(), &CALLS),
    },
    Target {
        what: "any phase, any layout",
        limit: 1.00,
        measure: |results| {
            let ratios = excesses(results).into_iter().map(|excess| excess.ratio);
            let compared = results.works().into_iter().any(|work| {
                let total = |variant| results.total(Case::counted(work, variant), Phase::Blackout);
                total(Variant::Rust).is_some() && total(Variant::Mainline).is_some()
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
    pub(crate) fn measure(&self, results: &Results) -> Option<f64> {
        (self.measure)(results)
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
    pub(crate) phase: Phase,
    pub(crate) ours: i64,
    pub(crate) theirs: i64,
    pub(crate) ratio: f64,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            work,
            phase,
            ours,
            theirs,
            ratio,
        } = self;
        write!(
            f,
            "{work}: {}: {ours}, mainline {theirs}: {ratio:.3}",
            phase.name()
        )
    }
}

/// All phases that take longer than mainline's: of a boot by itself, and of what is preserved.
pub(crate) fn excesses(results: &Results) -> Vec<Excess> {
    let mut found = Vec::new();
    for run in results.bases() {
        for phase in Phase::ALL.into_iter().filter(|phase| phase.has_base()) {
            let total = |variant| {
                let run = Run { variant, ..run };
                i64::try_from(results.phase(&run, phase)?).ok()
            };
            // Each pair of runs once.
            let counted = run.variant == Variant::Mainline && run.time == Time::Instructions;
            let both = total(Variant::Rust).zip(total(Variant::Mainline));
            if let Some((ours, theirs)) = both.filter(|_| counted) {
                found.extend(excess(run.work, phase, ours, theirs, TIMER));
            }
        }
    }
    for work in results.works() {
        for phase in Phase::ALL {
            let net = |variant| results.net(Case::counted(work, variant), phase);
            let Some((ours, theirs)) = net(Variant::Rust).zip(net(Variant::Mainline)) else {
                continue;
            };
            let base = results.base(Case::counted(work, Variant::Mainline), phase);
            let base = base.filter(|_| phase.has_base());
            let excess = match base.and_then(|base| i64::try_from(base).ok()) {
                // As if both booted alike, which is judged by itself.
                Some(base) => {
                    let allowance = TIMER + chance(results, work, phase);
                    excess(work, phase, base + ours, base + theirs, allowance)
                }
                None => excess(work, phase, ours, theirs, 0),
            };
            found.extend(excess);
        }
    }
    found
}

/// Instructions by which a phase of the boot may differ without meaning anything: a timer that fires in
/// it or does not.
const TIMER: i64 = 25_000;

/// Instructions by which a phase with the jump in it may differ without meaning anything, where different
/// things were done before. Where the next kernel and its page tables end up is decided by what memory is
/// free, so even for one kernel and one size the jump differs by up to 2 % between layouts.
fn chance(results: &Results, work: Work, phase: Phase) -> i64 {
    if !matches!(phase, Phase::Jump | Phase::Blackout) {
        return 0;
    }
    let jump = results.base(Case::counted(work, Variant::Mainline), Phase::Jump);
    jump.and_then(|jump| i64::try_from(jump / 50).ok())
        .unwrap_or(0)
}

fn excess(work: Work, phase: Phase, ours: i64, theirs: i64, allowance: i64) -> Option<Excess> {
    (ours - theirs > allowance).then(|| Excess {
        work,
        phase,
        ours,
        theirs,
        // More than nothing is more by any ratio.
        ratio: ratio(ours, theirs).unwrap_or(f64::INFINITY),
    })
}

/// Our net figure by mainline's.
fn net_ratio(results: &Results, layout: Layout, pages: u64, phase: Phase) -> Option<f64> {
    let work = Work::memory(layout, pages);
    let net = |variant| results.net(Case::counted(work, variant), phase);
    ratio(net(Variant::Rust)?, net(Variant::Mainline)?)
}

/// The live updates of layouts, by size.
fn memory(results: &Results, layouts: &[Layout]) -> impl Iterator<Item = Work> {
    let wanted = |work: &Work| work.pages > 1 && layouts.contains(&work.layout);
    let works: Vec<Work> = results.works().into_iter().filter(wanted).collect();
    works.into_iter()
}

/// The greatest ratio, of all sizes of some layouts and of some phases.
fn worst(results: &Results, layouts: &[Layout], phases: &[Phase]) -> Option<f64> {
    worst_of(results, memory(results, layouts), phases)
}

fn worst_of(results: &Results, works: impl Iterator<Item = Work>, phases: &[Phase]) -> Option<f64> {
    let ratios = works.flat_map(|work| {
        phases.iter().filter_map(move |&phase| {
            let net = |variant| results.net(Case::counted(work, variant), phase);
            ratio(net(Variant::Rust)?, net(Variant::Mainline)?)
        })
    });
    ratios.reduce(f64::max)
}

/// How much more one of many costs than one of 100, at most.
fn growth(results: &Results) -> Option<f64> {
    const FEW: u64 = 100;
    let worst = |make: fn(u64) -> Work, many: u64| {
        let growth = |&phase: &Phase| {
            let cost = |count| {
                let net = results.net(Case::counted(make(count), Variant::Rust), phase)?;
                (net > 0).then(|| each(net, count))
            };
            Some(cost(many)? / cost(FEW)?)
        };
        CALLS.iter().filter_map(growth).reduce(f64::max)
    };
    let sessions = worst(Work::sessions, 1_000)?;
    Some(sessions.max(worst(Work::files, 10_000)?))
}

#[cfg(test)]
mod tests;
