// SPDX-License-Identifier: GPL-2.0

//! A machine with much memory: the kernel initialises its pages when processors are there to help.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;

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

/// What a kernel says that initialises pages late.
const LATE: &str = "deferred pages initialised";

fn run(run: &Run<'_>) -> Result<()> {
    let seen = run
        .update("memfd_behaviour")
        .memory_mib(8192)
        .cpus(4)
        // It says so among its chatter.
        .cmdline("loglevel=7")
        .ktap_after_update(CASES)
        .run()?;
    for (boot, which) in seen.boots().into_iter().zip(["first", "second"]) {
        let late = boot.iter().any(|line| line.contains(LATE));
        let when = if late { "late" } else { "early" };
        run.note(format!("the {which} kernel initialised pages {when}"));
    }
    Ok(())
}
