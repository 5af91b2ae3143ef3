// SPDX-License-Identifier: GPL-2.0

//! Pages without neighbours.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "scattered_pages_survive_and_those_between_are_free_again",
        "Pages without neighbours come back, and those between them can be used",
        run,
    )
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_scattered").ktap_after_update(1))
}
