// SPDX-License-Identifier: GPL-2.0

//! Memory that was set aside on the command line, by reserve_mem=. The debugger writes to it and reads it.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::scale::Part;
use crate::scale::comes_through;

inventory::submit! {
    Scenario::update(
        "reserved_memory_keeps_its_place_and_its_data",
        "Memory set aside by reserve_mem= is at the same place after the update, with the same data",
        run,
    )
    .needs(&[Need::both(Fact::KhoFiles)])
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &[Part::Reserved])
}
