// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/luo_multi_session.c of the kernel, unmodified.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "luo_multi_session",
        "Mainline's own test of several sessions passes",
        run,
    )
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.mainline_program("luo_multi_session").after_update("--- MULTI-SESSION KEXEC TEST PASSED ---"))
}
