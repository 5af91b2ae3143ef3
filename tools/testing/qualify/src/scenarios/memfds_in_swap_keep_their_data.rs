// SPDX-License-Identifier: GPL-2.0

//! Pages in swap.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "memfds_in_swap_keep_their_data",
        "Pages that are in swap come along",
        run,
    )
    .covers(&["memfd-5"])
    .needs(&[Need::both(Fact::Swap)])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_swapped").ktap_after_update(1))
}
