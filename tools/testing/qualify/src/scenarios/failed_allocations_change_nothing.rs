// SPDX-License-Identifier: GPL-2.0

//! Allocations that fail, one after the other, in each operation.

use anyhow::Result;
use lu_vm::Splats;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;

inventory::submit! {
    Scenario::update(
        "failed_allocations_change_nothing",
        "Whichever allocation of an ioctl or of the reboot fails, it gives ENOMEM and all is as before",
        run,
    )
    .covers(&["kho-8", "luo-2"])
    .needs(&[Need::both(Fact::FailNth)])
}

/// What lines of the program begin with that say how many allocations came to what.
const TOLD: &str = "# allocations ";

fn run(run: &Run<'_>) -> Result<()> {
    // A page that cannot be had is a matter for a backtrace, too.
    let splats = Splats::none_allowed().allow_backtraces();
    let update = run.update("fail_nth").splats(splats).jumps_by_itself();
    let seen = update.ktap_after_update(1).run()?;
    let came_back = |line: &&String| line.contains(": the reboot came back");
    run.note(format!(
        "{} allocations of the reboot could fail, and had it come back",
        seen.boots()[0].iter().filter(came_back).count()
    ));
    for line in seen.boots()[1].iter().filter_map(|line| line.split_once(TOLD)) {
        run.note(line.1);
    }
    Ok(())
}
