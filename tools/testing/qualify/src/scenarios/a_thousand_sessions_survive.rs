// SPDX-License-Identifier: GPL-2.0

//! Sessions, a file in each.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::scale::Part;
use crate::scale::comes_through;

inventory::submit! {
    Scenario::update(
        "a_thousand_sessions_survive",
        "A thousand sessions come back in any order, each with its file",
        run,
    )
    .covers(&["luo-8"])
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &[Part::Sessions])
}
