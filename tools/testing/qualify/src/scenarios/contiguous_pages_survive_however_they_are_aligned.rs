// SPDX-License-Identifier: GPL-2.0

//! Runs of pages, in the format that all implementations know.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "contiguous_pages_survive_however_they_are_aligned",
        "Runs of pages come back whatever their length and alignment, as large folios where they can be",
        run,
    )
    // Files that have pages in scratch move when they are preserved, and that is large on debug kernels.
    .needs(&[Need::both(Fact::Pagemap), Need::before(Fact::Lean)])
    .peer_fails(Side::After, "pages come back one by one, not as large folios", Signs::Tests(&["pages_come_back_as_large_folios_where_they_can"]))
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_extents").ktap_after_update(3))
}
