// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/liveupdate.c of the kernel, unmodified, which needs no kexec.

use anyhow::Result;
use lu_vm::Program;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;

/// The cases in the program.
const CASES: usize = 15;

inventory::submit! {
    Scenario {
        name: "device_and_sessions_behave",
        about: "Mainline's own test of the device and its sessions passes",
        covers: &[],
        shape: Shape::Each,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    let program = Program::mainline_liveupdate("liveupdate");
    run.single_with(program).ktap(CASES).run().map(drop)
}
