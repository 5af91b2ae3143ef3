// SPDX-License-Identifier: GPL-2.0

//! Mainline's own test of the device and its sessions with mainline's memfd handler, in C, on this
//! repository's core. Its other tests are scenarios: see `lu-qualify`.

use lu_vm::Build;
use lu_vm::Image;
use lu_vm::Program;
use lu_vm::SingleKernel;
use lu_vm::TestResult;
use lu_vm::Variant;

/// The cases in mainline's selftests/liveupdate/liveupdate.c.
const CASES: usize = 15;

#[test]
fn device_and_sessions_behave_on_rust_with_the_c_memfd_handler() -> TestResult {
    let image = Image {
        variant: Variant::RustCMemfd,
        build: Build::A,
    };
    let program = Program::mainline_liveupdate("liveupdate");
    SingleKernel::new("device_and_sessions_behave", image, program)
        .ktap(CASES)
        .run()?;
    Ok(())
}
