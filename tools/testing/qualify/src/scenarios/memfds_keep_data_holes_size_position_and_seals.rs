// SPDX-License-Identifier: GPL-2.0

//! What a memfd is after a live update.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 13;

inventory::submit! {
    Scenario {
        name: "memfds_keep_data_holes_size_position_and_seals",
        about: "Memfds come back with their data, holes, size, position and seals, and are accounted for",
        covers: &["memfd-2", "memfd-4", "memfd-6"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_behaviour").ktap_after_update(CASES))
}
