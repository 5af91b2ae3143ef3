// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/luo_stress_sessions.c of the kernel, unmodified.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "luo_stress_sessions",
        "Mainline's own test of many sessions passes",
        run,
    )
    .covers(&["luo-8"])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.mainline_program("luo_stress_sessions").after_update("--- MANY-SESSIONS KEXEC TEST PASSED (2000 sessions) ---"))
}
