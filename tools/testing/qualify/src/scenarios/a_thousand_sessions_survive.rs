// SPDX-License-Identifier: GPL-2.0

//! Sessions, a file in each.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::scale::Part;
use crate::scale::comes_through;

inventory::submit! {
    Scenario {
        name: "a_thousand_sessions_survive",
        about: "A thousand sessions come back in any order, each with its file",
        covers: &["luo-8"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Long,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &[Part::Sessions])
}
