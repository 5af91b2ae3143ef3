// SPDX-License-Identifier: GPL-2.0

//! Statistics of vmalloc.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "descriptions_of_files_are_accounted_for",
        "The memory that describes preserved files is counted while it is there, and not beyond",
        run,
    )
    .covers(&["memfd-6"])
    .peer_fails(Side::After, "restored areas are not counted until they are taken off the count", Signs::Tests(&["descriptions_are_added_to_what_is_used_and_taken_off_again"]))
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_vmalloc").ktap_after_update(1))
}
