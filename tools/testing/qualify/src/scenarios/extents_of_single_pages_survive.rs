// SPDX-License-Identifier: GPL-2.0

//! Pages without neighbours, each an extent.

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
        name: "extents_of_single_pages_survive",
        about: "Pages without neighbours come back where each of them is an extent",
        covers: &[],
        shape: Shape::Update,
        needs: &[Need::both(Fact::Ours)],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_scattered").cmdline(EXTENTS).ktap_after_update(1))
}
