// SPDX-License-Identifier: GPL-2.0

//! Memory that is reserved at boot for huge pages, and is no measure of what scratch must hold.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

/// The size of memory, more than half of which is huge pages.
const MEMORY_MIB: u32 = 7168;

inventory::submit! {
    Scenario::update(
        "huge_pages_leave_room_for_scratch",
        "A kernel that sets more than half of memory apart for huge pages can be updated",
        run,
    )
    .covers(&["kho-7"])
    .needs(&[
        Need::both(Fact::X86),
        Need::both(Fact::HugePages),
        Need::both(Fact::Lean),
    ])
}

fn run(run: &Run<'_>) -> Result<()> {
    // Pages of 1 GiB are reserved before scratch is; smaller ones come later.
    let update = run
        .update("huge_pages")
        .memory_mib(MEMORY_MIB)
        .qemu_args(&["-cpu", "max"])
        .cmdline("kho_scratch=200% hugepagesz=1G hugepages=4 lu_huge_pages=4");
    passes(update.ktap_after_update(1))
}
