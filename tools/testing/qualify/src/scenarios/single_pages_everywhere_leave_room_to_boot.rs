// SPDX-License-Identifier: GPL-2.0

//! A host whose memory is fragmented.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "single_pages_everywhere_leave_room_to_boot",
        "A kernel boots between preserved pages that are all over memory",
        run,
    )
    .covers(&["kho-10"])
    .slow()
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_everywhere").ktap_after_update(1))
}
