// SPDX-License-Identifier: GPL-2.0

//! To and fro twice, for those who do not have the time for a hundred.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::chain::loses_nothing;

/// How many live updates.
const UPDATES: usize = 4;

inventory::submit! {
    Scenario::update(
        "four_live_updates_in_a_row_lose_nothing",
        "The same files come through four live updates, to and fro, with all data and no memory lost",
        run,
    )
    .covers(&["memfd-6"])
}

fn run(run: &Run<'_>) -> Result<()> {
    loses_nothing(run, UPDATES)
}
