// SPDX-License-Identifier: GPL-2.0

//! Shows that it is the damage, not the debugger, that makes other scenarios fail.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::damage::DATA_INTACT;
use crate::damage::OTHER_INTACT;
use crate::damage::shows;
use crate::damage::update_with;
use crate::damage::works;
use crate::facts::Fact;

inventory::submit! {
    Scenario::update(
        "nothing_is_lost_when_nothing_is_damaged",
        "A live update that is stopped at the jump and goes on hands everything over",
        run,
    )
    .needs(&[Need::before(Fact::Symbols)])
}

fn run(run: &Run<'_>) -> Result<()> {
    let seen = update_with(run, "", "", |_, _| Ok(()))?;
    shows(&seen, DATA_INTACT, "the data did not come")?;
    shows(&seen, OTHER_INTACT, "the other file did not come")?;
    works(&seen)
}
