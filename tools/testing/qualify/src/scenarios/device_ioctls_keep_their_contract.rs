// SPDX-License-Identifier: GPL-2.0

//! The device by itself.

use anyhow::Result;

use crate::Run;
use crate::Scenario;

/// The cases in the program.
const CASES: usize = 16;

inventory::submit! {
    Scenario::each(
        "device_ioctls_keep_their_contract",
        "The ioctls of /dev/liveupdate do what their header says",
        run,
    )
    .covers(&["luo-7", "luo-8", "luo-10"])
}

fn run(run: &Run<'_>) -> Result<()> {
    run.single("device_contract").ktap(CASES).run().map(drop)
}
