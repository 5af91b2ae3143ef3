// SPDX-License-Identifier: GPL-2.0

//! Incoming sessions.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 14;

inventory::submit! {
    Scenario {
        name: "incoming_sessions_keep_their_contract",
        about: "The ioctls of sessions of the previous kernel do what their header says",
        covers: &["luo-7", "luo-10"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("incoming_contract").ktap_after_update(CASES))
}
