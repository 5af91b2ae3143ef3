// SPDX-License-Identifier: GPL-2.0

//! The ioctls of /dev/liveupdate do what their header says, on this repository's kernel and on mainline's.

use anyhow::Result;
use lu_vm::Build;
use lu_vm::Direction;
use lu_vm::Image;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::SingleKernel;
use lu_vm::TestResult;
use lu_vm::Variant;
use lu_vm::in_all_directions;

/// The cases in selftests/liveupdate/abi_contract.c.
const CONTRACT_CASES: usize = 35;

/// The cases in selftests/liveupdate/incoming_contract.c.
const INCOMING_CASES: usize = 14;

/// The cases in selftests/liveupdate/incoming_faults.c.
const FAULT_CASES: usize = 4;

fn contract(variant: Variant) -> Result<()> {
    let image = Image {
        variant,
        build: Build::A,
    };
    let program = Program::ours("abi_contract");
    SingleKernel::new("ioctls_keep_their_contract", image, program)
        .quiet()
        .ktap(CONTRACT_CASES)
        .run()?;
    Ok(())
}

#[test]
fn ioctls_keep_their_contract_on_rust() -> TestResult {
    Ok(contract(Variant::Rust)?)
}

#[test]
fn ioctls_keep_their_contract_on_mainline() -> TestResult {
    Ok(contract(Variant::Mainline)?)
}

in_all_directions!(incoming_sessions_keep_their_contract, |direction| {
    LiveUpdate::new("incoming_sessions_keep_their_contract", direction)
        .program(Program::ours("incoming_contract"))
        .quiet()
        .ktap_after_update(INCOMING_CASES)
        .run()
        .map(drop)
});

/// Only into this repository's kernel: mainline loses the data.
#[test]
fn a_fault_changes_nothing() -> TestResult {
    for direction in [Direction::RustToRust, Direction::MainlineToRust] {
        LiveUpdate::new("a_fault_changes_nothing", direction)
            .program(Program::ours("incoming_faults"))
            .quiet()
            .ktap_after_update(FAULT_CASES)
            .run()?;
    }
    Ok(())
}
