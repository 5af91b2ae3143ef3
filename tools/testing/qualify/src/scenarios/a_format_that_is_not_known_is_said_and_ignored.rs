// SPDX-License-Identifier: GPL-2.0

//! A wrong liveupdate_memfd=.

use anyhow::Result;
use lu_vm::Program;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "a_format_that_is_not_known_is_said_and_ignored",
        "A boot parameter with a format that is not known changes nothing, and the kernel says so",
        run,
    )
    .needs(&[Need::before(Fact::Ours)])
}

fn run(run: &Run<'_>) -> Result<()> {
    let update = run
        .bare_update()
        .program(Program::ours("memfd_scattered"))
        .cmdline("liveupdate_memfd=frob")
        .before_update("liveupdate_memfd=frob is neither compatible nor extents");
    passes(update.ktap_after_update(1))
}
