// SPDX-License-Identifier: GPL-2.0

//! Extents of all lengths and alignments.

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

inventory::submit! {
    Scenario {
        name: "extents_survive_however_they_are_aligned",
        about: "Extents come back whatever their length and alignment",
        covers: &[],
        shape: Shape::Update,
        needs: &[Need::both(Fact::Ours)],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_extents").cmdline(EXTENTS).ktap_after_update(1))
}
