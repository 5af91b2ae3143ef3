// SPDX-License-Identifier: GPL-2.0

//! Files, all in one session.

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
        name: "ten_thousand_files_in_one_session_survive",
        about: "Ten thousand files of one session come back in any order",
        covers: &["luo-8"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Long,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &[Part::Files])
}
