// SPDX-License-Identifier: GPL-2.0

//! What was measured, and what follows from it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use lu_bench::PAGE_BYTES;
use lu_bench::work::Fate;
use lu_bench::work::Work;

use crate::cases::Run;
use crate::cases::Time;
use crate::cli::Variant;
use crate::guest::Outcome;
use crate::phase::Phase;

/// What came of each run: figures, or why there are none.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) runs: BTreeMap<Run, Result<Outcome, String>>,
}

impl Results {
    /// What was preserved, nothing not among it.
    pub(crate) fn works(&self) -> BTreeSet<Work> {
        let works = self.runs.keys().map(|run| run.work);
        works.filter(|&work| work != Work::NOTHING).collect()
    }

    /// The sizes of memory, of the runs with nothing preserved.
    pub(crate) fn bases(&self) -> BTreeSet<Run> {
        let bases = self.runs.keys().filter(|run| run.work == Work::NOTHING);
        bases.copied().collect()
    }

    /// What a run measured, if it did.
    fn outcome(&self, run: &Run) -> Option<&Outcome> {
        self.runs.get(run)?.as_ref().ok()
    }

    /// What a phase took in a run.
    pub(crate) fn phase(&self, run: &Run, phase: Phase) -> Option<u64> {
        self.outcome(run)?.phases.get(&phase).copied()
    }

    /// Why there is no figure of a live update, if there is a reason.
    pub(crate) fn excuse(&self, work: Work, variant: Variant) -> Option<&str> {
        let run = Run::new(work, variant, Time::Instructions, Fate::Keep);
        self.runs.get(&run)?.as_ref().err().map(String::as_str)
    }

    /// How long a phase takes, in all. Of attempts by the wall clock it is the median.
    pub(crate) fn total(&self, case: Case, phase: Phase) -> Option<u64> {
        let fates = match phase {
            Phase::Unpreserve | Phase::Discard => [Fate::Discard; 2],
            _ => [Fate::Keep, Fate::Discard],
        };
        fates.iter().find_map(|&fate| {
            self.median(case, |time| {
                self.phase(&Run::new(case.work, case.variant, time, fate), phase)
            })
        })
    }

    /// How long a phase takes with nothing preserved, in as much memory.
    pub(crate) fn base(&self, case: Case, phase: Phase) -> Option<u64> {
        self.median(case, |time| {
            let run = Run::new(case.work, case.variant, time, Fate::Keep);
            self.phase(&run.base(), phase)
        })
    }

    /// How much longer a phase takes than with nothing preserved; all of it, if there is nothing then.
    pub(crate) fn net(&self, case: Case, phase: Phase) -> Option<i64> {
        let total = i64::try_from(self.total(case, phase)?).ok()?;
        if !phase.has_base() {
            return Some(total);
        }
        Some(total - i64::try_from(self.base(case, phase)?).ok()?)
    }

    /// Bytes that preserving takes from the page allocator.
    pub(crate) fn metadata(&self, case: Case) -> Option<i64> {
        let run = Run::new(case.work, case.variant, Time::Instructions, Fate::Keep);
        let bytes = i64::try_from(PAGE_BYTES).ok()?;
        Some(self.outcome(&run)?.metadata_pages * bytes)
    }

    /// The versions of the kernels, before and after.
    pub(crate) fn releases(&self, variant: Variant) -> Option<&[String; 2]> {
        let mut runs = self.runs.iter().filter(|(run, _)| run.variant == variant);
        runs.find_map(|(_, outcome)| Some(&outcome.as_ref().ok()?.releases))
    }

    /// The figure of a run, or of several by the wall clock the one in the middle.
    fn median(&self, case: Case, figure: impl Fn(Time) -> Option<u64>) -> Option<u64> {
        if !case.wall {
            return figure(Time::Instructions);
        }
        let mut figures: Vec<u64> = (0..)
            .map_while(|attempt| figure(Time::Wall(attempt)))
            .collect();
        figures.sort_unstable();
        figures.get(figures.len() / 2).copied()
    }
}

/// A live update of one implementation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) work: Work,
    pub(crate) variant: Variant,
    /// By the wall clock instead of by instructions.
    pub(crate) wall: bool,
}

impl Case {
    /// By instructions.
    pub(crate) fn counted(work: Work, variant: Variant) -> Self {
        Self {
            work,
            variant,
            wall: false,
        }
    }
}

/// Ours divided by mainline's, where mainline's is something.
#[expect(clippy::cast_precision_loss, reason = "nobody reads the 16th digit")]
pub(crate) fn ratio(ours: i64, theirs: i64) -> Option<f64> {
    (theirs > 0).then(|| ours as f64 / theirs as f64)
}

/// A figure for each of so many.
#[expect(clippy::cast_precision_loss, reason = "nobody reads the 16th digit")]
pub(crate) fn each(figure: i64, count: u64) -> f64 {
    figure as f64 / count.max(1) as f64
}
