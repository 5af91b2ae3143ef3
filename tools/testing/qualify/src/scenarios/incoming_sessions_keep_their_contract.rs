// SPDX-License-Identifier: GPL-2.0

//! Incoming sessions.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 14;

inventory::submit! {
    Scenario::update(
        "incoming_sessions_keep_their_contract",
        "The ioctls of sessions of the previous kernel do what their header says",
        run,
    )
    .covers(&["luo-7", "luo-10"])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("incoming_contract").ktap_after_update(CASES))
}
