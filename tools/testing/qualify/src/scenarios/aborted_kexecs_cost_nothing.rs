// SPDX-License-Identifier: GPL-2.0

//! A kexec that fails after freeze.
//!
//! Nothing that a program can do makes the freeze of a memfd fail. So a breakpoint stops the kernel where it
//! freezes one, and the debugger has it return an error instead.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use lu_vm::Arch;
use lu_vm::Debugger;
use lu_vm::Vm;
use lu_vm::places;
use lu_vm::run_debugged;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;

/// The files in the program. In each round the freeze of another one fails.
const FILES: usize = 3;

/// The cases there.
const CASES: usize = 2;

/// What the freeze returns.
const EIO: i64 = -5;

/// How long a kernel may take from the word to the first freeze, and from one to the next.
const FREEZE: Duration = Duration::from_secs(60);

inventory::submit! {
    Scenario::update(
        "aborted_kexecs_cost_nothing",
        "A kexec that fails when files are frozen already leaves everything usable",
        run,
    )
    .covers(&["luo-11"])
    .needs(&[Need::before(Fact::SymbolMap)])
}

fn run(run: &Run<'_>) -> Result<()> {
    let freeze = run.kernel().symbol(freezes_memfd)?;
    let update = run
        .update("kexec_abort")
        .cmdline("nokaslr")
        .ktap_after_update(CASES);
    run_debugged(&update, |vm, socket| fail_each_freeze(vm, socket, freeze)).map(drop)
}

/// Has the freeze of the first file fail in the first round, that of the second one in the next, and so on.
fn fail_each_freeze(vm: &mut Vm, socket: &Path, freeze: u64) -> Result<()> {
    let wait = FREEZE * places::patience()?;
    vm.wait_for("# round 1 begins")?;
    let mut debugger = Debugger::connect(socket, Arch::from_env()?)?;
    debugger.break_at(freeze)?;
    for round in 1..=FILES {
        debugger.go_on()?;
        if round > 1 {
            vm.wait_for(&format!("# round {round} begins"))?;
        }
        vm.type_line("go")?;
        for _ in 1..round {
            debugger.wait_for_stop(wait)?;
            debugger.step_over(freeze)?;
            debugger.go_on()?;
        }
        debugger.wait_for_stop(wait)?;
        debugger.return_from_function(EIO.cast_unsigned())?;
    }
    debugger.detach()
}

/// Whether a symbol is the callback by which the core has a memfd frozen: this repository's or mainline's.
fn freezes_memfd(symbol: &str) -> bool {
    let ours = ["6vtable", "5Memfd", "8FolioSer", "6freeze"];
    ours.iter().all(|part| symbol.contains(part)) || symbol == "memfd_luo_freeze"
}
