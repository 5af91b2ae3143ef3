// SPDX-License-Identifier: GPL-2.0

//! Retrieving when the system has no file to spare.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "a_file_that_cannot_be_made_yet_is_not_lost",
        "A memfd that cannot be retrieved for want of an open file can be retrieved later",
        run,
    )
    .needs(&[Need::both(Fact::Lean)])
    .covers(&["luo-2"])
    .peer_fails(Side::After, "any failure is final, and the data is lost", Signs::Tests(&["a_file_that_cannot_be_made_yet_can_be_retrieved_later"]))
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_later").ktap_after_update(1))
}
