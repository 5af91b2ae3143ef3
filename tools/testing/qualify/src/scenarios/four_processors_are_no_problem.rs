// SPDX-License-Identifier: GPL-2.0

//! A machine with four processors.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 13;

inventory::submit! {
    Scenario {
        name: "four_processors_are_no_problem",
        about: "A machine with four processors can be updated",
        covers: &[],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Slow,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_behaviour").cpus(4).ktap_after_update(CASES))
}
