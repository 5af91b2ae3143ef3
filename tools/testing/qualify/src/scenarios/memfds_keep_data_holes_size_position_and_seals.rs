// SPDX-License-Identifier: GPL-2.0

//! What a memfd is after a live update.

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
        "memfds_keep_data_holes_size_position_and_seals",
        "Memfds come back with their data, holes, size, position and seals, and are accounted for",
        run,
    )
    .needs(&[Need::before(Fact::Thp)])
    .covers(&["memfd-2", "memfd-4", "memfd-6"])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_behaviour").ktap_after_update(CASES))
}
