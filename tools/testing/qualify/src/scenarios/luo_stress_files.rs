// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/luo_stress_files.c of the kernel, unmodified.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "luo_stress_files",
        "Mainline's own test of many files passes",
        run,
    )
    .covers(&["luo-8"])
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.mainline_program("luo_stress_files").after_update("--- MANY-FILES KEXEC TEST PASSED (500 files) ---"))
}
