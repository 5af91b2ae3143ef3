// SPDX-License-Identifier: GPL-2.0

//! Many processes at once, on both sides of a reboot that waits for none of them.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 9;

inventory::submit! {
    Scenario {
        name: "reboots_cut_no_session_in_two",
        about: "Sessions that are made, closed and retrieved by many at once, even while the machine \
            reboots, come whole or not at all",
        covers: &["luo-4", "luo-10"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("session_races").ktap_after_update(CASES))
}
