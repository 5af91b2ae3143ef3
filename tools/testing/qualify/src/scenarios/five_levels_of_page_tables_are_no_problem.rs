// SPDX-License-Identifier: GPL-2.0

//! Five levels of page tables.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "five_levels_of_page_tables_are_no_problem",
        "A machine with five levels of page tables can be updated",
        run,
    )
    .needs(&[Need::both(Fact::X86)])
    .slow()
}

fn run(run: &Run<'_>) -> Result<()> {
    let update = run.update("memfd_high").cmdline("lu_levels=5");
    passes(update.qemu_args(&["-cpu", "max,la57=on"]).ktap_after_update(1))
}
