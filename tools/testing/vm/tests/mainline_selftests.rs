// SPDX-License-Identifier: GPL-2.0

//! Mainline's own tests, unmodified, from its source tree.

use anyhow::Result;
use lu_vm::Direction;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::in_all_directions;

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
