// SPDX-License-Identifier: GPL-2.0

//! Pages in swap.

use anyhow::Result;

use crate::Effort;
use crate::Need;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario {
        name: "memfds_in_swap_keep_their_data",
        about: "Pages that are in swap come along",
        covers: &["memfd-5"],
        shape: Shape::Update,
        needs: &[Need::both(Fact::Swap)],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_swapped").ktap_after_update(1))
}
