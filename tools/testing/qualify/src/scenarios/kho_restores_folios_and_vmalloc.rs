// SPDX-License-Identifier: GPL-2.0

//! lib/test_kho.c, which preserves random folios and checks their sum in the next kernel.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "kho_restores_folios_and_vmalloc",
        "The kernel's own test of KHO finds its folios and its vmalloc area again",
        run,
    )
    .covers(&["kho-4", "kho-5"])
    .needs(&[Need::both(Fact::TestKho)])
}

fn run(run: &Run<'_>) -> Result<()> {
    let update = run.bare_update().mainline_kho();
    passes(update.after_update("KHO restore succeeded"))
}
