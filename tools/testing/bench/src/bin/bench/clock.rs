// SPDX-License-Identifier: GPL-2.0

//! What time is in a guest.

use std::time::Duration;
use std::time::Instant;

use lu_bench::tsc;
use lu_vm::Boot;

use crate::phase::Phases;

/// How a guest's counter advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// By one with each instruction, with one processor.
    Instructions,
    /// With the host's own counter, with two processors.
    Wall {
        /// How fast it is.
        khz: u64,
    },
}

/// How long the speed of the host's counter is measured.
const MEASURE: Duration = Duration::from_millis(500);

impl Clock {
    /// Finds out how fast the host's counter is.
    pub(crate) fn wall() -> Self {
        let (start, ticks) = (Instant::now(), tsc::now());
        std::thread::sleep(MEASURE);
        let (time, ticks) = (start.elapsed(), tsc::now() - ticks);
        let khz = u128::from(ticks) * 1_000_000 / time.as_nanos().max(1);
        Self::Wall {
            khz: u64::try_from(khz).unwrap_or(u64::MAX),
        }
    }

    /// Ticks in a millisecond, in the guest's own view.
    pub(crate) fn khz(self) -> u64 {
        match self {
            // QEMU's `shift=0`: an instruction is a nanosecond.
            Self::Instructions => 1_000_000,
            Self::Wall { khz } => khz,
        }
    }

    /// Makes nanoseconds of ticks. An instruction is a nanosecond.
    pub(crate) fn nanoseconds(self, phases: Phases) -> Phases {
        let khz = u128::from(self.khz());
        let convert = |ticks| u64::try_from(u128::from(ticks) * 1_000_000 / khz);
        phases
            .into_iter()
            .map(|(phase, ticks)| (phase, convert(ticks).unwrap_or(u64::MAX)))
            .collect()
    }

    /// Sets a guest up for it. Nothing that the host or chance contributes may show in a count.
    pub(crate) fn apply(self, boot: Boot) -> Boot {
        match self {
            Self::Instructions => boot
                .count_instructions()
                .qemu_args(["-rtc", "base=2026-01-01,clock=vm", "-seed", "1"])
                // With one processor the HPET can be the timer. Calibrating that of the APIC would be
                // twice as many instructions of waiting as there are others in a boot.
                .cmdline("noapictimer"),
            Self::Wall { .. } => boot.cpus(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::Phase;

    #[test]
    fn instructions_are_nanoseconds_and_ticks_are_not() {
        let phases = Phases::from([(Phase::Jump, 5_000)]);
        assert_eq!(Clock::Instructions.nanoseconds(phases.clone()), phases);
        let wall = Clock::Wall { khz: 2_500_000 };
        assert_eq!(wall.nanoseconds(phases)[&Phase::Jump], 2_000);
    }
}
