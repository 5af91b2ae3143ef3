// SPDX-License-Identifier: GPL-2.0

//! The life of a machine that is never switched off.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::chain::loses_nothing;

/// How many live updates.
const UPDATES: usize = 100;

inventory::submit! {
    Scenario::update(
        "a_hundred_live_updates_in_a_row_lose_nothing",
        "The same files come through a hundred live updates, to and fro, with all data and no memory lost",
        run,
    )
    .covers(&["memfd-6"])
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    loses_nothing(run, run.times(UPDATES)?)
}
