// SPDX-License-Identifier: GPL-2.0

//! Sessions for the next kernel whose owner is killed.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;

/// The cases in the program.
const CASES: usize = 6;

inventory::submit! {
    Scenario {
        name: "a_killed_owner_leaves_nothing_preserved",
        about: "Whoever is killed while preparing a live update leaves names, files and memory as if \
            nothing had been prepared",
        covers: &["luo-10", "memfd-6"],
        shape: Shape::Each,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    run.single("owner_killed").ktap(CASES).run().map(drop)
}
