// SPDX-License-Identifier: GPL-2.0

//! Answers to addresses that are none.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 4;

inventory::submit! {
    Scenario::update(
        "a_fault_changes_nothing",
        "An answer that cannot be written to memory costs neither a session nor a file",
        run,
    )
    .peer_fails(Side::After, "the file is lost, with its data", Signs::Tests(&["a_session_that_nobody_got_is_still_there", "a_session_is_not_finished_unless_that_can_be_said", "a_file_is_not_preserved_unless_that_can_be_said"]))
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("incoming_faults").ktap_after_update(CASES))
}
