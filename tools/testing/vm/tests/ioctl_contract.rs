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

/// The cases in selftests/liveupdate/device_contract.c.
const DEVICE_CASES: usize = 16;

/// The cases in selftests/liveupdate/session_contract.c.
const SESSION_CASES: usize = 19;

/// The cases in selftests/liveupdate/incoming_contract.c.
const INCOMING_CASES: usize = 14;

/// The cases in selftests/liveupdate/incoming_faults.c.
const FAULT_CASES: usize = 4;

fn contract(program: &str, cases: usize, variant: Variant) -> Result<()> {
    let image = Image {
        variant,
        build: Build::A,
    };
    SingleKernel::new(program, image, Program::ours(program))
        .quiet()
        .ktap(cases)
        .run()?;
    Ok(())
}

#[test]
fn device_ioctls_keep_their_contract_on_rust() -> TestResult {
    Ok(contract("device_contract", DEVICE_CASES, Variant::Rust)?)
}

#[test]
fn device_ioctls_keep_their_contract_on_mainline() -> TestResult {
    Ok(contract(
        "device_contract",
        DEVICE_CASES,
        Variant::Mainline,
    )?)
}

#[test]
fn session_ioctls_keep_their_contract_on_rust() -> TestResult {
    Ok(contract("session_contract", SESSION_CASES, Variant::Rust)?)
}

#[test]
fn session_ioctls_keep_their_contract_on_mainline() -> TestResult {
    Ok(contract(
        "session_contract",
        SESSION_CASES,
        Variant::Mainline,
    )?)
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
fn fault(direction: Direction) -> Result<()> {
    LiveUpdate::new("a_fault_changes_nothing", direction)
        .program(Program::ours("incoming_faults"))
        .quiet()
        .ktap_after_update(FAULT_CASES)
        .run()
        .map(drop)
}

#[test]
fn a_fault_changes_nothing_rust_to_rust() -> TestResult {
    Ok(fault(Direction::RustToRust)?)
}

#[test]
fn a_fault_changes_nothing_mainline_to_rust() -> TestResult {
    Ok(fault(Direction::MainlineToRust)?)
}
