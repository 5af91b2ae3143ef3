// SPDX-License-Identifier: GPL-2.0

//! A machine with little memory.

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
        "half_a_gigabyte_is_enough",
        "A machine with 512 MiB of memory can be updated",
        run,
    )
    .needs(&[Need::before(Fact::Thp), Need::both(Fact::Lean)])
    .slow()
}

fn run(run: &Run<'_>) -> Result<()> {
    let update = run.update("memfd_behaviour").memory_mib(512);
    passes(update.ktap_after_update(CASES))
}
