// SPDX-License-Identifier: GPL-2.0

//! A machine with much memory: the kernel initialises its pages when processors are there to help.

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
        "eight_gigabytes_are_initialised_once",
        "A machine with 8 GiB of memory, most of which is initialised late in boot, can be updated",
        run,
    )
    .needs(&[Need::before(Fact::Thp)])
    .covers(&["kho-6"])
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    let update = run.update("memfd_behaviour").memory_mib(8192).cpus(4);
    passes(update.ktap_after_update(CASES))
}
