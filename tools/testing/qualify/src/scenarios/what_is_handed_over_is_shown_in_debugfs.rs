// SPDX-License-Identifier: GPL-2.0

//! Files of debugfs with device trees, and with blobs that are none.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 3;

inventory::submit! {
    Scenario::update(
        "what_is_handed_over_is_shown_in_debugfs",
        "Everything that KHO hands over can be read in debugfs, whatever its format",
        run,
    )
    .covers(&["kho-9"])
    .needs(&[Need::both(Fact::KhoFiles)])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("kho_files").ktap_after_update(CASES))
}
