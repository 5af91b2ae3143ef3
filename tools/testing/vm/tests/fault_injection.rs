// SPDX-License-Identifier: GPL-2.0

//! Allocations that fail, one after the other, in each operation.

use lu_vm::Direction;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::Splats;
use lu_vm::TestResult;

#[test]
#[ignore = "needs a kernel with fault injection: `make test-debug` has it"]
fn failed_allocations_change_nothing_rust_to_rust() -> TestResult {
    // A page that cannot be had is a matter for a backtrace, too.
    let splats = Splats::none_allowed().allow("Call Trace:");
    LiveUpdate::new("failed_allocations_change_nothing", Direction::RustToRust)
        .program(Program::ours("fail_nth"))
        .quiet()
        .splats(splats)
        .ktap_after_update(1)
        .run()?;
    Ok(())
}
