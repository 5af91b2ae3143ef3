// SPDX-License-Identifier: GPL-2.0

//! A kexec with no kernel loaded, which comes before anything is frozen.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 2;

inventory::submit! {
    Scenario::update(
        "refused_kexecs_cost_nothing",
        "A kexec that is refused because no kernel is loaded leaves everything usable, and a \
            kernel that is loaded afterwards gets all of it",
        run,
    )
    .covers(&["luo-11"])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("kexec_refused").ktap_after_update(CASES))
}
