// SPDX-License-Identifier: GPL-2.0

//! Pages where the next kernel starts.

use anyhow::Result;
use lu_vm::places;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "memfds_are_moved_out_of_cma",
        "Pages in scratch regions, which are CMA, are moved before the update",
        run,
    )
    .covers(&["memfd-5"])
    .needs(&[Need::before(Fact::KhoFiles), Need::before(Fact::Pagemap)])
}

fn run(run: &Run<'_>) -> Result<()> {
    let update = run
        .update("memfd_cma")
        // The last one counts; with this one there would be too little.
        .cmdline("kho_scratch=32M,64M,32M")
        .cmdline(&large_scratch()?)
        // In the middle of memory the kernel would leave no room for them.
        .cmdline("nokaslr");
    passes(update.ktap_after_update(1))
}

/// More than half of the guest's memory: only then are memfds put into scratch regions.
fn large_scratch() -> Result<String> {
    let mib = places::memory_mib()? * 9 / 16;
    Ok(format!("kho_scratch=32M,{mib}M,32M"))
}
