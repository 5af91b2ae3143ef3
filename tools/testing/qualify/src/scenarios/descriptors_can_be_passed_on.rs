// SPDX-License-Identifier: GPL-2.0

//! Descriptors that come from another process.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 4;

inventory::submit! {
    Scenario::update(
        "descriptors_can_be_passed_on",
        "Sessions can be handed to another process, which keeps them when the first one dies",
        run,
    )
    .covers(&["luo-10"])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("passed_on").ktap_after_update(CASES))
}
