// SPDX-License-Identifier: GPL-2.0

//! Live updates in a row, with the same data, which must cost no memory.

use anyhow::Result;
use anyhow::ensure;
use lu_vm::Transcript;
use lu_vm::number_behind;

use crate::run::Run;

/// What the program says in each boot.
const FREE_MEMORY: &str = "# free memory: ";

/// And if it is of no use.
const TELLS_NOTHING: &str = "# it tells nothing";

/// How many boots at either end are compared, at most. What is free varies by some 100 KiB with where things
/// lie and how full slabs are; the median of five does so less.
const COMPARED: usize = 5;

/// KiB that may be lost in all. A page that is lost in every one of a hundred updates makes 360: the medians
/// are 90 updates apart.
const LOSS_ALLOWED: i64 = 256;

/// So many live updates with files that must come along, and with no memory lost.
pub fn loses_nothing(run: &Run<'_>, updates: usize) -> Result<()> {
    let seen = run.chain("memfd_chain", updates).run()?;
    let free = free_memory(&seen)?;
    if seen.lines().iter().any(|line| line.contains(TELLS_NOTHING)) {
        run.note("free memory tells nothing on kernels that look after themselves");
        return Ok(());
    }
    for (side, kernel) in [&run.kernels().before, &run.kernels().after]
        .into_iter()
        .enumerate()
    {
        // The first boot is no live update: it has a map of memory of its own.
        let first = if side == 0 { 2 } else { 1 };
        let own: Vec<i64> = free.iter().skip(first).step_by(2).copied().collect();
        let lost = loss(&own);
        run.note(format!(
            "{kernel}: {lost} KiB of memory less than at first, of {own:?} KiB free"
        ));
        ensure!(
            lost <= LOSS_ALLOWED,
            "{updates} live updates cost {lost} KiB of memory in boots of {kernel}; free were, in KiB, {own:?}"
        );
    }
    Ok(())
}

/// What was free in each boot, in KiB.
fn free_memory(seen: &Transcript) -> Result<Vec<i64>> {
    let boots = seen.boots().into_iter();
    boots
        .map(|lines| number_behind(lines, FREE_MEMORY))
        .collect()
}

/// How much less there is in the end than at first.
fn loss(free: &[i64]) -> i64 {
    let compared = (free.len() / 2).clamp(1, COMPARED);
    match free.len() {
        0 => 0,
        length => median(&free[..compared]) - median(&free[length - compared..]),
    }
}

fn median(values: &[i64]) -> i64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_shows_through_what_varies() {
        let varying = |boot: i64, lost: i64| 900_000 + (boot * 37 % 11) * 8 - boot * lost;
        let same: Vec<i64> = (0..50).map(|boot| varying(boot, 0)).collect();
        // A page in each update: there are two from one boot of a kernel to its next.
        let less: Vec<i64> = (0..50).map(|boot| varying(boot, 8)).collect();
        assert!(loss(&same).abs() < LOSS_ALLOWED);
        assert!(loss(&less) > LOSS_ALLOWED);
    }

    #[test]
    fn few_boots_can_be_compared_too() {
        assert_eq!(loss(&[]), 0);
        assert_eq!(loss(&[100]), 0);
        assert_eq!(loss(&[100, 90]), 10);
    }
}
