// SPDX-License-Identifier: GPL-2.0

//! Outgoing sessions.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;

/// The cases in the program.
const CASES: usize = 19;

inventory::submit! {
    Scenario {
        name: "session_ioctls_keep_their_contract",
        about: "The ioctls of sessions that are being filled do what their header says",
        covers: &["luo-1", "luo-7", "luo-8", "luo-10", "memfd-4"],
        shape: Shape::Each,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    run.single("session_contract").ktap(CASES).run().map(drop)
}
