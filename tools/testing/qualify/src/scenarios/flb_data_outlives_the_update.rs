// SPDX-License-Identifier: GPL-2.0

//! lib/tests/liveupdate.c, which has three FLBs for memfds. Any preserved memfd will do.

use anyhow::Result;
use anyhow::ensure;
use lu_vm::Program;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;

inventory::submit! {
    Scenario::update(
        "flb_data_outlives_the_update",
        "What modules tie to the lives of preserved files comes along, and is finished with the last of them",
        run,
    )
    .covers(&["luo-5"])
    .needs(&[Need::both(Fact::TestLuo)])
}

fn run(run: &Run<'_>) -> Result<()> {
    let update = run
        .bare_update()
        .program(Program::mainline_liveupdate("luo_kexec_simple"))
        .before_update("Registered 3 FLBs with file handler: [memfd-v2]")
        .after_update("Registered 3 FLBs with file handler: [memfd-v2]");
    let seen = (0..3)
        .fold(update, |update, number| {
            let flb = format!("liveupdate-test-flb-v{number}");
            update
                .before_update(&format!("{flb}: preserve was triggered"))
                .after_update(&format!("{flb}: found flb data from the previous boot"))
                .after_update(&format!("{flb}: finish was triggered"))
        })
        .run()?;
    let wrong = |line: &&String| {
        line.contains("liveupdate test:") && (line.contains("ERROR") || line.contains("ailed"))
    };
    let complaint = seen.lines().iter().find(wrong);
    ensure!(
        complaint.is_none(),
        "the FLB test found: {complaint:?}\n{}",
        seen.tail()
    );
    Ok(())
}
