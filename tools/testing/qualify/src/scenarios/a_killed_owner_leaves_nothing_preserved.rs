// SPDX-License-Identifier: GPL-2.0

//! Sessions for the next kernel whose owner is killed.

use anyhow::Result;

use crate::Run;
use crate::Scenario;

/// The cases in the program.
const CASES: usize = 6;

inventory::submit! {
    Scenario::each(
        "a_killed_owner_leaves_nothing_preserved",
        "Whoever is killed while preparing a live update leaves names, files and memory as if \
            nothing had been prepared",
        run,
    )
    .covers(&["luo-10", "memfd-6"])
}

fn run(run: &Run<'_>) -> Result<()> {
    run.single("owner_killed").ktap(CASES).run().map(drop)
}
