// SPDX-License-Identifier: GPL-2.0

//! Many processes at once, on both sides of a reboot that waits for none of them.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 9;

inventory::submit! {
    Scenario::update(
        "reboots_cut_no_session_in_two",
        "Sessions that are made, closed and retrieved by many at once, even while the machine \
            reboots, come whole or not at all",
        run,
    )
    .covers(&["luo-4", "luo-10"])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("session_races").ktap_after_update(CASES))
}
