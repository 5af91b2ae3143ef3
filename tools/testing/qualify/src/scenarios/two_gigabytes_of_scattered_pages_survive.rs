// SPDX-License-Identifier: GPL-2.0

//! Half a million pages, none of which has a neighbour.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::scale::Part;
use crate::scale::comes_through;

inventory::submit! {
    Scenario::update(
        "two_gigabytes_of_scattered_pages_survive",
        "A file of two gigabytes comes back though no page of it is next to another in memory",
        run,
    )
    .covers(&["kho-10"])
    .peer_fails(Side::After, "boot takes time quadratic in the number of separate runs of pages, more than minutes for half a million", Signs::Text("did not appear within"))
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &[Part::Scattered])
}
