// SPDX-License-Identifier: GPL-2.0

//! Runs of pages, in the format that all implementations know.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::Side;
use crate::run::passes;

inventory::submit! {
    Scenario {
        name: "contiguous_pages_survive_however_they_are_aligned",
        about: "Runs of pages come back whatever their length and alignment, as large folios where they can be",
        covers: &[],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Fails(Side::After, "pages come back one by one, not as large folios"),
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_extents").ktap_after_update(1))
}
