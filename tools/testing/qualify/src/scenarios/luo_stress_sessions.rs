// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/luo_stress_sessions.c of the kernel, unmodified.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

inventory::submit! {
    Scenario {
        name: "luo_stress_sessions",
        about: "Mainline's own test of many sessions passes",
        covers: &["luo-8"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.mainline_program("luo_stress_sessions").after_update("--- MANY-SESSIONS KEXEC TEST PASSED (2000 sessions) ---"))
}
