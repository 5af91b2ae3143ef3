// SPDX-License-Identifier: GPL-2.0

//! Descriptors that come from another process.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 4;

inventory::submit! {
    Scenario {
        name: "descriptors_can_be_passed_on",
        about: "Sessions can be handed to another process, which keeps them when the first one dies",
        covers: &["luo-10"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("passed_on").ktap_after_update(CASES))
}
