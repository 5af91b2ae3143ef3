// SPDX-License-Identifier: GPL-2.0

//! selftests/liveupdate/liveupdate.c of the kernel, unmodified, which needs no kexec.

use anyhow::Result;
use lu_vm::Program;

use crate::Run;
use crate::Scenario;

/// The cases in the program.
const CASES: usize = 15;

inventory::submit! {
    Scenario::each(
        "device_and_sessions_behave",
        "Mainline's own test of the device and its sessions passes",
        run,
    )
}

fn run(run: &Run<'_>) -> Result<()> {
    let program = Program::mainline_liveupdate("liveupdate");
    run.single_with(program).ktap(CASES).run().map(drop)
}
