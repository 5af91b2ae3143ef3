// SPDX-License-Identifier: GPL-2.0

//! The phases of a live update, and what each took.

use std::collections::BTreeMap;

use anyhow::Context;
use anyhow::Result;
use lu_bench::message::After;
use lu_bench::message::Anchor;
use lu_bench::message::Before;
use lu_bench::work::Fate;
use serde::Serialize;

/// A part of a live update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Creating the sessions.
    Create,
    /// `PRESERVE_FD`, for all files.
    Preserve,
    /// Closing sessions that are to go to the next kernel, with their files.
    Unpreserve,
    /// From the reboot call to the last line of the old kernel.
    Freeze,
    /// To the first line of the new kernel that has a time.
    Jump,
    /// To the line of the new kernel that says that the page allocator is up.
    Ingest,
    /// To the first instruction of userspace.
    Boot,
    /// From the reboot call to the first instruction of userspace.
    Blackout,
    /// The first opening of the device.
    Open,
    /// `RETRIEVE_SESSION`, for all sessions.
    SessionRetrieve,
    /// `RETRIEVE_FD`, for all files.
    FdRetrieve,
    /// Finishing and closing sessions whose files were retrieved.
    Finish,
    /// Finishing and closing sessions of which nothing was retrieved.
    Discard,
}

impl Phase {
    /// All, in the order in which they are shown.
    pub(crate) const ALL: [Self; 13] = [
        Self::Create,
        Self::Preserve,
        Self::Unpreserve,
        Self::Freeze,
        Self::Jump,
        Self::Ingest,
        Self::Boot,
        Self::Blackout,
        Self::Open,
        Self::SessionRetrieve,
        Self::FdRetrieve,
        Self::Finish,
        Self::Discard,
    ];

    /// Whether something of it is there with nothing preserved, so that the difference counts.
    pub(crate) fn has_base(self) -> bool {
        matches!(
            self,
            Self::Freeze | Self::Jump | Self::Ingest | Self::Boot | Self::Blackout
        )
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "session create",
            Self::Preserve => "preserve",
            Self::Unpreserve => "unpreserve",
            Self::Freeze => "freeze and serialise",
            Self::Jump => "jump",
            Self::Ingest => "ingest",
            Self::Boot => "rest of boot",
            Self::Blackout => "blackout",
            Self::Open => "device open",
            Self::SessionRetrieve => "session retrieve",
            Self::FdRetrieve => "fd retrieve",
            Self::Finish => "finish",
            Self::Discard => "finish without retrieve",
        }
    }
}

/// What the guest has said, from boot to power-off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) before: Before,
    /// The counter at the reboot call.
    pub(crate) reboot: u64,
    /// Of the first kernel.
    pub(crate) anchor: Anchor,
    /// Of the last line of the first kernel, by its log.
    pub(crate) last_line: u64,
    pub(crate) after: After,
}

/// What each phase took, in ticks of the counter.
pub(crate) type Phases = BTreeMap<Phase, u64>;

/// Takes the phases out of what was said, in a guest whose counter runs at `khz`.
pub(crate) fn phases(said: &Said, fate: Fate, khz: u64) -> Result<Phases> {
    let Said { before, after, .. } = said;
    let last_line = ticks(said.anchor, said.last_line, 0, khz)?;
    let first = ticks(after.anchor, after.first, after.ahead, khz)?;
    let memory = ticks(after.anchor, after.memory, after.ahead, khz)?;
    let between = |phase: Phase, from: u64, to: u64| {
        let length = to
            .checked_sub(from)
            .with_context(|| format!("{} ends before it begins: {from} to {to}", phase.name()))?;
        Ok::<_, anyhow::Error>((phase, length))
    };
    let mut phases = BTreeMap::from([
        (Phase::Create, before.create),
        (Phase::Preserve, before.preserve),
        between(Phase::Freeze, said.reboot, last_line)?,
        between(Phase::Jump, last_line, first)?,
        between(Phase::Ingest, first, memory)?,
        between(Phase::Boot, memory, after.user)?,
        between(Phase::Blackout, said.reboot, after.user)?,
        (Phase::Open, after.open),
        (Phase::SessionRetrieve, after.sessions),
    ]);
    phases.extend(before.unpreserve.map(|ticks| (Phase::Unpreserve, ticks)));
    match fate {
        Fate::Keep => {
            phases.insert(Phase::FdRetrieve, after.files);
            phases.insert(Phase::Finish, after.finish);
        }
        Fate::Discard => {
            phases.insert(Phase::Discard, after.finish);
        }
    }
    Ok(phases)
}

/// The counter at a time of the log, at which its clock was `ahead` nanoseconds behind the anchor's.
fn ticks(anchor: Anchor, micros: u64, ahead: i64, khz: u64) -> Result<u64> {
    let since = (i128::from(micros) - i128::from(anchor.micros)) * 1_000 + i128::from(ahead);
    let ticks = i128::from(anchor.ticks) + since * i128::from(khz) / 1_000_000;
    u64::try_from(ticks).context("the log goes back to before the counter was at zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Said {
        let anchor = Anchor {
            ticks: 5_000_000,
            micros: 1_000,
        };
        Said {
            before: Before {
                create: 1,
                preserve: 2,
                ..Before::default()
            },
            reboot: 7_000_000,
            anchor,
            last_line: 3_500,
            after: After {
                user: 20_000_000,
                anchor: Anchor {
                    ticks: 21_000_000,
                    micros: 9_000,
                },
                ahead: 500_000,
                first: 500,
                memory: 2_500,
                open: 3,
                sessions: 4,
                files: 5,
                finish: 6,
                checksum: None,
                freed_pages: 0,
            },
        }
    }

    #[test]
    fn the_blackout_is_the_sum_of_its_parts() {
        let phases = phases(&said(), Fate::Keep, 1_000_000).unwrap();
        assert_eq!(phases[&Phase::Freeze], 500_000);
        assert_eq!(phases[&Phase::Jump], 5_500_000);
        assert_eq!(phases[&Phase::Ingest], 2_000_000);
        assert_eq!(phases[&Phase::Boot], 5_000_000);
        assert_eq!(phases[&Phase::Blackout], 13_000_000);
        assert_eq!(phases[&Phase::Finish], 6);
        assert!(!phases.contains_key(&Phase::Discard));
    }

    #[test]
    fn clocks_that_contradict_each_other_are_noticed() {
        let mut said = said();
        said.last_line = 0;
        assert!(phases(&said, Fate::Keep, 1_000_000).is_err());
        said.last_line = 3_500;
        assert!(phases(&said, Fate::Keep, 1_000_000_000).is_err());
    }
}
