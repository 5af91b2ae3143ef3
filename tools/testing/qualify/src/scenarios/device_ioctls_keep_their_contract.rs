// SPDX-License-Identifier: GPL-2.0

//! The device by itself.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;

/// The cases in the program.
const CASES: usize = 16;

inventory::submit! {
    Scenario {
        name: "device_ioctls_keep_their_contract",
        about: "The ioctls of /dev/liveupdate do what their header says",
        covers: &["luo-7", "luo-8", "luo-10"],
        shape: Shape::Each,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    run.single("device_contract").ktap(CASES).run().map(drop)
}
