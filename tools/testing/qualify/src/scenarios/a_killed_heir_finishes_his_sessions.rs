// SPDX-License-Identifier: GPL-2.0

//! Sessions of the previous kernel whose holder is killed.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 8;

inventory::submit! {
    Scenario::update(
        "a_killed_heir_finishes_his_sessions",
        "Whoever is killed while taking over after a live update loses what was only his, and \
            its memory is free again",
        run,
    )
    .covers(&["luo-10", "memfd-6"])
    .slow()
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("heir_killed").ktap_after_update(CASES))
}
