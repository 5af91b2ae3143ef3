// SPDX-License-Identifier: GPL-2.0

//! What describes reserve_mem= regions, which C code reads very early in boot.

use anyhow::Result;
use lu_vm::Splats;
use lu_vm::run_at_jump;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::shows;
use crate::damage::update;
use crate::facts::Fact;

/// A region that is looked for in the next kernel.
const REGION: &str = "reserve_mem=2M:4096:lu_region";

inventory::submit! {
    Scenario::update(
        "damaged_descriptions_of_reserved_memory_are_survived",
        "A kernel that is told a wrong place for what describes reserve_mem= regions boots, says so, and works",
        run,
    )
    .covers(&["kho-9", "kho-11"])
    .needs(&[Need::before(Fact::Symbols)])
    .peer_fails(Side::After, "it reads from there and dies before the console works", Signs::Any)
}

fn run(run: &Run<'_>) -> Result<()> {
    // The region is made anew where there is room, in scratch, and cannot be preserved there.
    let splats = ["WARNING: kernel/liveupdate/rust/kho/outgoing.rs", "cut here", "end trace"]
        .into_iter()
        .fold(Splats::none_allowed().allow_backtraces(), Splats::allow);
    let update = update(run, "", REGION).splats(splats);
    let seen = run_at_jump(&update, |handover, debugger| {
        let value = handover.property("memblock", "preserved-data")?;
        debugger.write_physical_u64(value.address, OUTSIDE_MEMORY)
    })?;
    for text in ["subtree 'memblock'", "# the data is intact", "# a new session works"] {
        shows(&seen, text, &format!("the second kernel does not say {text:?}"))?;
    }
    Ok(())
}
