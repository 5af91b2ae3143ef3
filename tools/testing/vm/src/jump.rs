// SPDX-License-Identifier: GPL-2.0

//! Live updates that are stopped right before the jump, when all is written and nothing is read yet.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;

use crate::arch::Arch;
use crate::console::Transcript;
use crate::gdb::Debugger;
use crate::handover::Handover;
use crate::live_update::LiveUpdate;
use crate::places;
use crate::vm::Vm;

/// How long the first kernel may take from the word to the jump.
const JUMP: Duration = Duration::from_secs(60);

/// Runs a test whose program says where `machine_kexec()` is and then waits, as with `jump.h` of the
/// selftests. There, `act` may look at what is handed over, and damage it.
///
/// The kernel must be told `nokaslr`.
pub fn run_at_jump<A>(test: &LiveUpdate, act: A) -> Result<Transcript>
where
    A: FnOnce(&Handover, &mut Debugger) -> Result<()>,
{
    run_debugged(test, |vm, socket| act_at_jump(vm, socket, act))
}

/// Runs a test, with `act` called as soon as QEMU is started, and the path of the socket that a [`Debugger`]
/// connects to. An error of `act` comes with what the guest has said.
pub fn run_debugged<A>(test: &LiveUpdate, act: A) -> Result<Transcript>
where
    A: FnOnce(&mut Vm, &Path) -> Result<()>,
{
    let sockets = tempfile::tempdir().context("creating a directory for the debugger's socket")?;
    let socket = sockets.path().join("gdb");
    let mut vm = test.boot()?.debugger(&socket).start()?;
    if let Err(error) = act(&mut vm, &socket) {
        return Err(vm.explain(error));
    }
    let seen = vm.finish()?;
    test.verify(&seen)?;
    Ok(seen)
}

fn act_at_jump<A>(vm: &mut Vm, socket: &Path, act: A) -> Result<()>
where
    A: FnOnce(&Handover, &mut Debugger) -> Result<()>,
{
    let line = vm.wait_for("# jump at ")?;
    let address = line.rsplit(' ').next().unwrap_or_default();
    let address = u64::from_str_radix(address, 16)
        .with_context(|| format!("reading the address of the jump from {line:?}"))?;
    let mut debugger = Debugger::connect(socket, Arch::from_env()?)?;
    debugger.break_at(address)?;
    debugger.go_on()?;
    vm.type_line("go")?;
    debugger.wait_for_stop(JUMP * places::patience()?)?;
    let handover = Handover::find(&mut debugger)?;
    act(&handover, &mut debugger)?;
    debugger.detach()
}
