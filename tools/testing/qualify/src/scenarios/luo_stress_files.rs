// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/luo_stress_files.c of the kernel, unmodified.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

inventory::submit! {
    Scenario {
        name: "luo_stress_files",
        about: "Mainline's own test of many files passes",
        covers: &["luo-8"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.mainline_program("luo_stress_files").after_update("--- MANY-FILES KEXEC TEST PASSED (500 files) ---"))
}
