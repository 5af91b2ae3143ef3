// SPDX-License-Identifier: GPL-2.0

//! Pages that look clean, and are not.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

inventory::submit! {
    Scenario {
        name: "what_was_written_late_is_not_reclaimed",
        about: "Pages of a memfd that were clean when preserved and written by a mapping later outlive memory reclaim",
        covers: &["memfd-1"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_clean").ktap_after_update(1))
}
