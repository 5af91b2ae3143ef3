// SPDX-License-Identifier: GPL-2.0

//! Outgoing sessions.

use anyhow::Result;

use crate::Run;
use crate::Scenario;

/// The cases in the program.
const CASES: usize = 20;

inventory::submit! {
    Scenario::each(
        "session_ioctls_keep_their_contract",
        "The ioctls of sessions that are being filled do what their header says",
        run,
    )
    .covers(&["luo-1", "luo-7", "luo-8", "luo-10", "memfd-4"])
}

fn run(run: &Run<'_>) -> Result<()> {
    run.single("session_contract").ktap(CASES).run().map(drop)
}
