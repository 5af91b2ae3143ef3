// SPDX-License-Identifier: GPL-2.0

//! What a memfd is after a live update, if extents describe it.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::EXTENTS;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 13;

inventory::submit! {
    Scenario::update(
        "extents_keep_data_holes_size_position_and_seals",
        "Memfds described by extents come back with their data, holes, size, position and seals",
        run,
    )
    .covers(&["memfd-2", "memfd-6"])
    .needs(&[Need::before(Fact::Thp), Need::both(Fact::Ours)])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_behaviour").cmdline(EXTENTS).ktap_after_update(CASES))
}
