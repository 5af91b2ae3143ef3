// SPDX-License-Identifier: GPL-2.0

//! A machine with four processors.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 13;

inventory::submit! {
    Scenario::update(
        "four_processors_are_no_problem",
        "A machine with four processors can be updated",
        run,
    )
    .needs(&[Need::before(Fact::Thp)])
    .slow()
}

fn run(run: &Run<'_>) -> Result<()> {
    let update = run.update("memfd_behaviour").cpus(4);
    passes(update.ktap_after_update(CASES))
}
