// SPDX-License-Identifier: GPL-2.0

//! Statistics of vmalloc.

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
        name: "descriptions_of_files_are_accounted_for",
        about: "The memory that describes preserved files is counted while it is there, and not beyond",
        covers: &["memfd-6"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Fails(Side::After, "restored areas are not counted until they are taken off the count"),
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_vmalloc").ktap_after_update(1))
}
