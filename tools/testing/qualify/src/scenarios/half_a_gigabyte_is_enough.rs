// SPDX-License-Identifier: GPL-2.0

//! A machine with little memory.

use anyhow::Result;

use crate::Effort;
use crate::Need;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::facts::Fact;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 13;

inventory::submit! {
    Scenario {
        name: "half_a_gigabyte_is_enough",
        about: "A machine with 512 MiB of memory can be updated",
        covers: &[],
        shape: Shape::Update,
        needs: &[Need::both(Fact::Lean)],
        peer: Peer::Works,
        effort: Effort::Slow,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_behaviour").memory_mib(512).ktap_after_update(CASES))
}
