// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/luo_multi_session.c of the kernel, unmodified.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

inventory::submit! {
    Scenario {
        name: "luo_multi_session",
        about: "Mainline's own test of several sessions passes",
        covers: &[],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.mainline_program("luo_multi_session").after_update("--- MULTI-SESSION KEXEC TEST PASSED ---"))
}
