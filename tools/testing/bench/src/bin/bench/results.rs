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

    /// Instructions of a phase of a run with nothing preserved, by function.
    pub(crate) fn base_profile(&self, run: &Run, phase: Phase) -> Option<BTreeMap<&str, i64>> {
        let functions = self.outcome(run)?.profile.get(&phase)?.iter();
        functions
            .map(|(name, &count)| Some((name.as_str(), i64::try_from(count).ok()?)))
            .collect()
    }

    /// Instructions of a phase by function; above nothing preserved, where the phase and the figures have that.
    pub(crate) fn profile(&self, case: Case, phase: Phase) -> Option<BTreeMap<&str, i64>> {
        let of = |run: &Run| self.outcome(run)?.profile.get(&phase);
        let run = |fate| Run::new(case.work, case.variant, Time::Instructions, fate);
        let keep = run(Fate::Keep);
        let all = of(&keep).or_else(|| of(&run(Fate::Discard)))?;
        let mut counts = BTreeMap::new();
        let base = of(&keep.base()).filter(|_| phase.has_base());
        for (functions, sign) in [(Some(all), 1), (base, -1)] {
            for (name, &count) in functions.into_iter().flatten() {
                *counts.entry(name.as_str()).or_default() += sign * i64::try_from(count).ok()?;
            }
        }
        Some(counts)
    }

    /// How often frames that should follow each other go on elsewhere than in the next block.
    pub(crate) fn jumps(&self, case: Case) -> Option<u64> {
        let run = Run::new(case.work, case.variant, Time::Instructions, Fate::Keep);
        Some(self.outcome(&run)?.jumps)
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

#[cfg(test)]
impl Results {
    /// Adds that a phase took so long in a run.
    pub(crate) fn add(&mut self, run: Run, phase: Phase, ticks: u64) {
        let outcome = self.runs.entry(run).or_insert_with(|| {
            Ok(Outcome {
                releases: Default::default(),
                phases: Default::default(),
                metadata_pages: 0,
                jumps: 0,
                profile: Default::default(),
            })
        });
        if let Ok(outcome) = outcome {
            outcome.phases.insert(phase, ticks);
        }
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

#[cfg(test)]
mod tests {
    use lu_bench::work::Layout;

    use super::*;

    const WORK: Work = Work {
        layout: Layout::Thp,
        pages: 4096,
        sessions: 1,
        sets: 1,
    };

    fn run(time: Time, fate: Fate) -> Run {
        Run::new(WORK, Variant::Rust, time, fate)
    }

    #[test]
    fn what_is_above_nothing_may_be_less() {
        let mut results = Results::default();
        let keep = run(Time::Instructions, Fate::Keep);
        results.add(keep, Phase::Jump, 90);
        results.add(keep, Phase::Finish, 7);
        let case = Case::counted(WORK, Variant::Rust);
        assert_eq!(results.net(case, Phase::Jump), None);
        results.add(keep.base(), Phase::Jump, 100);
        results.add(keep.base(), Phase::Finish, 1);
        assert_eq!(results.net(case, Phase::Jump), Some(-10));
        // Nothing preserved is no base where there is nothing to do then.
        assert_eq!(results.net(case, Phase::Finish), Some(7));
    }

    #[test]
    fn discarding_has_runs_of_its_own() {
        let mut results = Results::default();
        let discard = run(Time::Instructions, Fate::Discard);
        results.add(run(Time::Instructions, Fate::Keep), Phase::Preserve, 1);
        results.add(discard, Phase::Preserve, 2);
        results.add(discard, Phase::Unpreserve, 3);
        let case = Case::counted(WORK, Variant::Rust);
        assert_eq!(results.total(case, Phase::Preserve), Some(1));
        assert_eq!(results.total(case, Phase::Unpreserve), Some(3));
        assert_eq!(results.total(case, Phase::Discard), None);
    }

    #[test]
    fn of_attempts_by_the_wall_clock_the_one_in_the_middle_counts() {
        let mut results = Results::default();
        for (attempt, ticks) in (0..).zip([50, 10, 20]) {
            results.add(run(Time::Wall(attempt), Fate::Keep), Phase::Preserve, ticks);
        }
        let wall = Case {
            work: WORK,
            variant: Variant::Rust,
            wall: true,
        };
        assert_eq!(results.total(wall, Phase::Preserve), Some(20));
        let counted = Case {
            wall: false,
            ..wall
        };
        assert_eq!(results.total(counted, Phase::Preserve), None);
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        assert_eq!(ratio(1, 2), Some(0.5));
        assert_eq!(ratio(-1, 2), Some(-0.5));
        assert_eq!(ratio(1, 0), None);
        assert_eq!(ratio(1, -1), None);
    }
}
