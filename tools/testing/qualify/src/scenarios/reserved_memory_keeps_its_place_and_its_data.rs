// SPDX-License-Identifier: GPL-2.0

//! Memory that was set aside on the command line, by reserve_mem=. The debugger writes to it and reads it.

use anyhow::Result;

use crate::Effort;
use crate::Need;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::facts::Fact;
use crate::scale::Part;
use crate::scale::comes_through;

inventory::submit! {
    Scenario {
        name: "reserved_memory_keeps_its_place_and_its_data",
        about: "Memory set aside by reserve_mem= is at the same place after the update, with the same data",
        covers: &[],
        shape: Shape::Update,
        needs: &[Need::both(Fact::KhoFiles)],
        peer: Peer::Works,
        effort: Effort::Long,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &[Part::Reserved])
}
