// SPDX-License-Identifier: GPL-2.0

//! Pages that look clean, and are not.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "what_was_written_late_is_not_reclaimed",
        "Pages of a memfd that were clean when preserved and written by a mapping later outlive memory reclaim",
        run,
    )
    .covers(&["memfd-1"])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_clean").ktap_after_update(1))
}
