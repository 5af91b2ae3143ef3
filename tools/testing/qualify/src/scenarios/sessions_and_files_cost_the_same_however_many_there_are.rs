// SPDX-License-Identifier: GPL-2.0

//! What it costs to make a session and to preserve a file, counted in instructions.

use std::time::Duration;

use anyhow::Result;
use anyhow::bail;
use lu_vm::GuestFailure;
use lu_vm::numbers_behind;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::facts::Fact;

/// How much more the last ones may cost: trees get deeper.
const MOST: u64 = 2;

inventory::submit! {
    Scenario::each(
        "sessions_and_files_cost_the_same_however_many_there_are",
        "The last of thousands of sessions and files costs about what the first does",
        run,
    )
    .covers(&["luo-9"])
    .needs(&[Need::both(Fact::X86)])
    .peer_fails(Side::Both, "it looks at all others one by one", Signs::Text(" instructions, the last ones "))
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    let seen = run
        .single("insert_cost")
        .count_instructions()
        .deadline(Duration::from_secs(600))
        .run()?;
    let mut failures = Vec::new();
    for what in ["sessions", "files"] {
        let mark = format!("# cost of {what}: ");
        let costs: Vec<u64> = numbers_behind(seen.lines(), &mark)?;
        let [first, last] = costs[..] else {
            bail!("{what} have {} costs", costs.len());
        };
        run.note(format!(
            "instructions for 100 {what}: {first} the first, {last} the last"
        ));
        if last > MOST * first {
            failures.push(format!(
                "the first 100 {what} cost {first} instructions, the last ones {last}"
            ));
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(GuestFailure::of_results(failures.join("; "))),
    }
}
