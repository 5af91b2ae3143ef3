// SPDX-License-Identifier: GPL-2.0

//! A kexec that fails when files are frozen already leaves everything usable.
//!
//! Nothing that a program can do makes the freeze of a memfd fail. So a breakpoint stops the kernel where it
//! freezes one, and the debugger has it return an error instead.

use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use lu_vm::Arch;
use lu_vm::Debugger;
use lu_vm::Direction;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::TestResult;
use lu_vm::Variant;
use lu_vm::places;

/// The files in selftests/liveupdate/kexec_abort.c. In each round the freeze of another one fails.
const FILES: usize = 3;

/// The cases there.
const CASES: usize = 2;

/// What the freeze returns.
const EIO: i64 = -5;

/// How long a kernel may take from the word to the first freeze, and from one to the next.
const FREEZE: Duration = Duration::from_secs(60);

/// Whether a symbol is the callback by which the core has a memfd frozen.
fn freezes_memfd(variant: Variant, symbol: &str) -> bool {
    match variant {
        Variant::Rust => {
            symbol.contains("6vtable") && symbol.contains("5Memfd") && symbol.contains("6freeze")
        }
        Variant::Mainline | Variant::RustCMemfd => symbol == "memfd_luo_freeze",
    }
}

fn abort(direction: Direction) -> Result<()> {
    let image = direction.before();
    let freeze = image.symbol(|symbol| freezes_memfd(image.variant, symbol))?;
    let test = LiveUpdate::new("kexec_aborted_after_freeze", direction)
        .program(Program::ours("kexec_abort"))
        .cmdline("nokaslr")
        .quiet()
        .ktap_after_update(CASES);
    let sockets = tempfile::tempdir().context("creating a directory for the debugger's socket")?;
    let socket = sockets.path().join("gdb");
    let mut vm = test.boot()?.debugger(&socket).start()?;

    vm.wait_for("# round 1 begins")?;
    let mut debugger = Debugger::connect(&socket, Arch::from_env()?)?;
    debugger.break_at(freeze)?;
    for round in 1..=FILES {
        debugger.go_on()?;
        if round > 1 {
            vm.wait_for(&format!("# round {round} begins"))?;
        }
        vm.type_line("go")?;
        for _ in 1..round {
            debugger.wait_for_stop(FREEZE * places::patience()?)?;
            debugger.step_over(freeze)?;
            debugger.go_on()?;
        }
        debugger.wait_for_stop(FREEZE * places::patience()?)?;
        debugger.return_from_function(EIO as u64)?;
    }
    debugger.detach()?;
    let seen = vm.finish()?;
    test.verify(&seen)
}

#[test]
fn aborted_kexecs_cost_nothing_rust_to_rust() -> TestResult {
    Ok(abort(Direction::RustToRust)?)
}

#[test]
fn aborted_kexecs_cost_nothing_mainline_to_mainline() -> TestResult {
    Ok(abort(Direction::MainlineToMainline)?)
}
