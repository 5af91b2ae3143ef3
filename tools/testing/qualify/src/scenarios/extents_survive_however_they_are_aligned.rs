// SPDX-License-Identifier: GPL-2.0

//! Extents of all lengths and alignments.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::EXTENTS;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "extents_survive_however_they_are_aligned",
        "Extents come back whatever their length and alignment",
        run,
    )
    // Files that have pages in scratch move when they are preserved, and that is large on debug kernels.
    .needs(&[Need::both(Fact::Ours), Need::both(Fact::Pagemap), Need::before(Fact::Lean)])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_extents").cmdline(EXTENTS).ktap_after_update(3))
}
