// SPDX-License-Identifier: GPL-2.0

//! Pages without neighbours, each an extent.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::EXTENTS;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "extents_of_single_pages_survive",
        "Pages without neighbours come back where each of them is an extent",
        run,
    )
    .needs(&[Need::both(Fact::Ours)])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_scattered").cmdline(EXTENTS).ktap_after_update(1))
}
