// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/luo_kexec_simple.c of the kernel, unmodified.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

inventory::submit! {
    Scenario {
        name: "luo_kexec_simple",
        about: "Mainline's own test of one session passes",
        covers: &[],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.mainline_program("luo_kexec_simple").after_update("--- SIMPLE KEXEC TEST PASSED ---"))
}
