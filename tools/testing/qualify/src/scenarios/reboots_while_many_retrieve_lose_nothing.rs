// SPDX-License-Identifier: GPL-2.0

//! Many processes at once in the kernel between two live updates, where they retrieve, hand on and are killed.

use anyhow::Result;

use crate::Run;
use crate::Scenario;

/// To the kernel in which they are at it, and from it.
const UPDATES: usize = 2;

/// The cases in the program.
const CASES: usize = 5;

inventory::submit! {
    Scenario::update(
        "reboots_while_many_retrieve_lose_nothing",
        "While many retrieve, finish and preserve again what the last update brought, the machine reboots \
            once more: what was preserved again comes whole, and nothing else comes",
        run,
    )
    .covers(&["luo-4"])
}

fn run(run: &Run<'_>) -> Result<()> {
    let chain = run.chain("retrieve_races", UPDATES).jumps_by_itself();
    chain.ktap_at_the_end(CASES).run().map(drop)
}
