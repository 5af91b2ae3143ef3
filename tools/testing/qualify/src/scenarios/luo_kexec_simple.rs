// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/luo_kexec_simple.c of the kernel, unmodified.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "luo_kexec_simple",
        "Mainline's own test of one session passes",
        run,
    )
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.mainline_program("luo_kexec_simple").after_update("--- SIMPLE KEXEC TEST PASSED ---"))
}
