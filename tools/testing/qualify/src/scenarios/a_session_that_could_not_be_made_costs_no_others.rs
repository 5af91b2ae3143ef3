// SPDX-License-Identifier: GPL-2.0

//! A block of the list of sessions that nobody has filled.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "a_session_that_could_not_be_made_costs_no_others",
        "Sessions survive if one more was refused when they filled their block",
        run,
    )
    .covers(&["luo-8"])
    .peer_fails(Side::Both, "an empty block, which it writes itself, stops it", Signs::Text("Block contains invalid entry count"))
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("session_block").ktap_after_update(1))
}
