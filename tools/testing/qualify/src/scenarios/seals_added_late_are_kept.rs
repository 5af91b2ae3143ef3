// SPDX-License-Identifier: GPL-2.0

//! Seals of a file that is preserved already.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "seals_added_late_are_kept",
        "Seals that a memfd gets while it is preserved hold afterwards",
        run,
    )
    .covers(&["memfd-4"])
    .peer_fails(Side::Before, "seals are those of the moment when it was preserved", Signs::Tests(&["seals_of_a_preserved_file_are_kept"]))
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_sealed").ktap_after_update(1))
}
