// SPDX-License-Identifier: GPL-2.0

//! What was measured.

use std::collections::BTreeMap;

use lu_bench::work::Fate;
use lu_bench::work::Work;

use crate::cases::Run;
use crate::cases::Time;
use crate::cli::Variant;
use crate::guest;
use crate::guest::Outcome;
use crate::phase::Phase;

/// What came of each run: figures, or why there are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    pub(crate) runs: BTreeMap<Run, Result<Outcome, String>>,
}

impl Results {
    /// What a run measured, or why it did not.
    fn outcome(&self, work: Work, variant: Variant, time: Time, fate: Fate) -> Option<&Outcome> {
        let memory_mib = guest::memory_mib(work.all_pages());
        let run = Run {
            work,
            variant,
            time,
            fate,
            memory_mib,
        };
        self.runs.get(&run)?.as_ref().ok()
    }

    /// How long a phase takes, in all.
    pub(crate) fn total(
        &self,
        work: Work,
        variant: Variant,
        time: Time,
        phase: Phase,
    ) -> Option<u64> {
        let fates = match phase {
            Phase::Unpreserve | Phase::Discard => [Fate::Discard; 2],
            _ => [Fate::Keep, Fate::Discard],
        };
        fates.iter().find_map(|&fate| {
            let outcome = self.outcome(work, variant, time, fate)?;
            outcome.phases.get(&phase).copied()
        })
    }

    /// How much longer a phase takes than with nothing preserved; all of it, where there is nothing then.
    pub(crate) fn net(
        &self,
        work: Work,
        variant: Variant,
        time: Time,
        phase: Phase,
    ) -> Option<i64> {
        let total = i64::try_from(self.total(work, variant, time, phase)?).ok()?;
        if !phase.has_base() {
            return Some(total);
        }
        let base = Run {
            work,
            variant,
            time,
            fate: Fate::Keep,
            memory_mib: guest::memory_mib(work.all_pages()),
        }
        .base();
        let base = self.runs.get(&base)?.as_ref().ok()?.phases.get(&phase)?;
        Some(total - i64::try_from(*base).ok()?)
    }

    /// Pages that preserving takes.
    pub(crate) fn metadata_pages(&self, work: Work, variant: Variant, time: Time) -> Option<i64> {
        let outcome = self.outcome(work, variant, time, Fate::Keep)?;
        Some(outcome.metadata_pages)
    }
}
