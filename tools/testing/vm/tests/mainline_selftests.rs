// SPDX-License-Identifier: GPL-2.0

//! Mainline's own tests, unmodified, from its source tree.

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

/// The cases in mainline's selftests/liveupdate/liveupdate.c.
const LIVEUPDATE_CASES: usize = 15;

/// A program of selftests/liveupdate, started the way mainline's vmtest.sh does.
fn kexec_program(program: &str, verdict: &str, direction: Direction) -> Result<()> {
    LiveUpdate::new(program, direction)
        .program(Program::mainline_liveupdate(program))
        .mainline_init()
        .before_update("INIT: Stage 1 completed successfully.")
        .after_update(verdict)
        .after_update("INIT: Stage 2 completed successfully.")
        .run()?;
    Ok(())
}

in_all_directions!(luo_kexec_simple, |direction| kexec_program(
    "luo_kexec_simple",
    "--- SIMPLE KEXEC TEST PASSED ---",
    direction
));

in_all_directions!(luo_multi_session, |direction| kexec_program(
    "luo_multi_session",
    "--- MULTI-SESSION KEXEC TEST PASSED ---",
    direction
));

in_all_directions!(luo_stress_files, |direction| kexec_program(
    "luo_stress_files",
    "--- MANY-FILES KEXEC TEST PASSED (500 files) ---",
    direction
));

in_all_directions!(luo_stress_sessions, |direction| kexec_program(
    "luo_stress_sessions",
    "--- MANY-SESSIONS KEXEC TEST PASSED (2000 sessions) ---",
    direction
));

// selftests/kho: lib/test_kho.c preserves random folios and checks their sum in the next kernel.
in_all_directions!(kho_restores_folios_and_vmalloc, |direction| {
    LiveUpdate::new("kho_restores_folios_and_vmalloc", direction)
        .mainline_kho()
        .after_update("KHO restore succeeded")
        .run()
        .map(drop)
});

// lib/tests/liveupdate.c has three FLBs that depend on the memfd handler; any preserved memfd will do.
in_all_directions!(flb_data_outlives_the_update, |direction| {
    let test = LiveUpdate::new("flb_data_outlives_the_update", direction)
        .program(Program::mainline_liveupdate("luo_kexec_simple"))
        .before_update("Registered 3 FLBs with file handler: [memfd-v2]")
        .after_update("Registered 3 FLBs with file handler: [memfd-v2]");
    let seen = (0..3)
        .fold(test, |test, number| {
            let flb = format!("liveupdate-test-flb-v{number}");
            test.before_update(&format!("{flb}: preserve was triggered"))
                .after_update(&format!("{flb}: found flb data from the previous boot"))
                .after_update(&format!("{flb}: finish was triggered"))
        })
        .run()?;
    let wrong = |line: &&String| {
        line.contains("liveupdate test:") && (line.contains("ERROR") || line.contains("ailed"))
    };
    let complaint = seen.lines().iter().find(wrong);
    anyhow::ensure!(
        complaint.is_none(),
        "the FLB test found: {complaint:?}\n{}",
        seen.tail()
    );
    Ok(())
});

/// The 15 cases of selftests/liveupdate/liveupdate.c, which need no kexec.
fn device_and_session_cases(variant: Variant) -> Result<()> {
    let image = Image {
        variant,
        build: Build::A,
    };
    let program = Program::mainline_liveupdate("liveupdate");
    SingleKernel::new("device_and_sessions_behave", image, program)
        .ktap(LIVEUPDATE_CASES)
        .run()?;
    Ok(())
}

#[test]
fn device_and_sessions_behave_on_rust() -> TestResult {
    Ok(device_and_session_cases(Variant::Rust)?)
}

#[test]
fn device_and_sessions_behave_on_rust_with_the_c_memfd_handler() -> TestResult {
    Ok(device_and_session_cases(Variant::RustCMemfd)?)
}

#[test]
fn device_and_sessions_behave_on_mainline() -> TestResult {
    Ok(device_and_session_cases(Variant::Mainline)?)
}
