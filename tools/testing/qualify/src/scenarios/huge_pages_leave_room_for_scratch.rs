// SPDX-License-Identifier: GPL-2.0

//! Huge pages for more than half of memory.

use anyhow::Result;
use lu_vm::Program;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "huge_pages_leave_room_for_scratch",
        "A kernel that sets more than half of memory apart for huge pages can be updated",
        run,
    )
    .covers(&["kho-7"])
    .needs(&[Need::both(Fact::X86)])
}

fn run(run: &Run<'_>) -> Result<()> {
    let update = run
        .update_with(Program::mainline_liveupdate("luo_kexec_simple"))
        .mainline_init()
        .cmdline("hugepagesz=2M hugepages=320")
        .after_update("--- SIMPLE KEXEC TEST PASSED ---");
    passes(update)
}
