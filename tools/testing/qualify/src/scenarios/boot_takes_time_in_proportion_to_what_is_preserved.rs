// SPDX-License-Identifier: GPL-2.0

//! What it costs to boot with many pages preserved, counted in instructions.

use std::time::Duration;

use anyhow::Result;
use lu_vm::GuestFailure;
use lu_vm::Program;
use lu_vm::number_behind;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::facts::Fact;

/// A few pages, and many, and about twice as many.
const PAGES: [u64; 3] = [2 << 10, 12 << 10, 24 << 10];

/// In proportion it would be 2.2 times, by the square 4.1 times.
const MOST: u64 = 3;

/// Less than this is no cost to speak of, and not in proportion to anything.
const FLOOR: u64 = 10_000_000;

/// What the program prints before the number.
const COST: &str = "# cost of the jump: ";

inventory::submit! {
    Scenario::update(
        "boot_takes_time_in_proportion_to_what_is_preserved",
        "Twice as many separate pages take the next kernel twice the time to boot, not four times",
        run,
    )
    .covers(&["kho-10"])
    .needs(&[Need::both(Fact::X86), Need::both(Fact::Lean)])
    .peer_fails(Side::After, "it reserves each run by a search through all others", Signs::Text(" pages more cost "))
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    let costs = PAGES.map(|pages| cost(run, pages));
    let [base, once, twice] = costs;
    let (base, once, twice) = (base?, once?, twice?);
    run.note(format!(
        "instructions for the jump with {PAGES:?} pages: {base}, {once}, {twice}"
    ));
    let (first, second) = (once.saturating_sub(base), twice.saturating_sub(base));
    if second > MOST * first.max(FLOOR) {
        return Err(GuestFailure::of_results(format!(
            "{} pages more cost {first} instructions, {} pages more cost {second}",
            PAGES[1] - PAGES[0],
            PAGES[2] - PAGES[0]
        )));
    }
    Ok(())
}

/// What the jump costs with so many pages, in instructions.
fn cost(run: &Run<'_>, pages: u64) -> Result<u64> {
    let seen = run
        .part(&format!("-{pages}"))
        .program(Program::ours("jump_cost"))
        .cmdline(&format!("lu_pages={pages}"))
        .count_instructions()
        .deadline(Duration::from_secs(900))
        .run()?;
    number_behind(seen.lines(), COST)
}
