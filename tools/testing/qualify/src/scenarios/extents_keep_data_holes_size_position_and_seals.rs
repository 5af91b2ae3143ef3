// SPDX-License-Identifier: GPL-2.0

//! What a memfd is after a live update, if extents describe it.

use anyhow::Result;

use crate::Effort;
use crate::Need;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::facts::Fact;
use crate::run::EXTENTS;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 13;

inventory::submit! {
    Scenario {
        name: "extents_keep_data_holes_size_position_and_seals",
        about: "Memfds described by extents come back with their data, holes, size, position and seals",
        covers: &["memfd-2", "memfd-6"],
        shape: Shape::Update,
        needs: &[Need::both(Fact::Ours)],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_behaviour").cmdline(EXTENTS).ktap_after_update(CASES))
}
