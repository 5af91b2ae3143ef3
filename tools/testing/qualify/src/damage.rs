// SPDX-License-Identifier: GPL-2.0

//! Handovers that are damaged at the last moment.
//!
//! A breakpoint stops the first kernel at the start of machine_kexec(), when all is written and nothing is
//! read yet. The second one must come up all the same, say what is wrong, and work.

use std::time::Duration;

use anyhow::Result;
use lu_vm::Debugger;
use lu_vm::GuestFailure;
use lu_vm::Handover;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::Transcript;
use lu_vm::run_at_jump;

use crate::run::Run;

/// Page-aligned, and far above the memory of any guest.
pub const OUTSIDE_MEMORY: u64 = 1 << 46;

/// Where a block of sessions or files has its count: behind the address of the next block.
pub const COUNT: u64 = 8;

/// How long both kernels may take: 4 seconds on an idle machine. One that hangs is not waited for.
const DEADLINE: Duration = Duration::from_secs(90);

/// Who speaks of a live update in the kernel's log.
const SPEAKERS: &[&str] = &["kho", "luo", "liveupdate", "live update"];

/// What they say of bad input, one of these at least.
const WORDS: &[&str] = &[
    "invalid",
    "incompatible",
    "corrupt",
    "damaged",
    "outside",
    "beyond",
    "too small",
    "too short",
    "truncated",
    "cycl",
    "loop",
    "absurd",
    "bad ",
    "refus",
    "reject",
    "not preserved",
    "unusable",
    "ignored",
];

/// Something to do to a handover.
pub struct Damage {
    /// What it is, as an identifier.
    pub name: &'static str,
    /// Does it.
    pub act: fn(&Handover, &mut Debugger) -> Result<()>,
}

/// Live-updates with `act` done on the way, and gives what the console showed.
pub fn update_with<A>(run: &Run<'_>, part: &str, cmdline: &str, act: A) -> Result<Transcript>
where
    A: FnOnce(&Handover, &mut Debugger) -> Result<()>,
{
    run_at_jump(&update(run, part, cmdline), act)
}

/// The live update for that.
pub fn update(run: &Run<'_>, part: &str, cmdline: &str) -> LiveUpdate {
    run.part(part)
        .program(Program::ours("bad_handover"))
        .cmdline("nokaslr")
        .cmdline(cmdline)
        .deadline(DEADLINE)
}

/// Does one after the other, each in a live update of its own. All must be survived.
pub fn survive(run: &Run<'_>, cmdline: &str, damages: &[Damage]) -> Result<()> {
    survive_and(run, cmdline, damages, |_| Ok(()))
}

/// The same of damage to one file, which must be lost alone.
pub fn lose_one_file(run: &Run<'_>, cmdline: &str, damages: &[Damage]) -> Result<()> {
    survive_and(run, cmdline, damages, |seen| {
        shows(seen, "# a session, but no data", "the file was not refused")?;
        shows(seen, "# the other file is intact", "another file suffered")
    })
}

fn survive_and(
    run: &Run<'_>,
    cmdline: &str,
    damages: &[Damage],
    more: fn(&Transcript) -> Result<()>,
) -> Result<()> {
    let mut failures = Vec::new();
    for damage in damages {
        let part = format!("-{}", damage.name);
        let result = update_with(run, &part, cmdline, damage.act)
            .and_then(|seen| check(&seen).and_then(|()| more(&seen)));
        if let Err(error) = result {
            failures.push((damage.name.to_owned(), error));
        }
    }
    run.note(format!(
        "{} of {} damaged handovers were survived",
        damages.len() - failures.len(),
        damages.len()
    ));
    GuestFailure::join(&failures)
}

/// The second kernel reached userspace, said what is wrong, gave nothing out, and can be updated again.
fn check(seen: &Transcript) -> Result<()> {
    let clear = |line: &String| {
        let line = line.to_lowercase();
        SPEAKERS.iter().any(|who| line.contains(who))
            && WORDS.iter().any(|what| line.contains(what))
    };
    let after = after(seen);
    if after
        .iter()
        .any(|line| line.contains("# the data is intact"))
    {
        return Err(seen.failure("the damage went unnoticed"));
    }
    if !after.iter().any(clear) {
        return Err(seen.failure("no line of the log says what is wrong with the handover"));
    }
    shows(
        seen,
        "# a new session works",
        "live update is of no use any more",
    )
}

/// Sees that the second kernel's console shows `text`.
pub fn shows(seen: &Transcript, text: &str, otherwise: &str) -> Result<()> {
    match after(seen).iter().any(|line| line.contains(text)) {
        true => Ok(()),
        false => Err(seen.failure(otherwise)),
    }
}

/// What the second kernel said.
fn after(seen: &Transcript) -> &[String] {
    seen.boots().get(1).copied().unwrap_or_default()
}
