// SPDX-License-Identifier: GPL-2.0

//! Handovers that are damaged at the last moment.
//!
//! A breakpoint stops the first kernel at the start of machine_kexec(), when all is written and nothing is
//! read yet. The second one must come up all the same, say what is wrong, and work.

use std::fmt;
use std::time::Duration;

use anyhow::Error;
use anyhow::Result;
use lu_vm::Debugger;
use lu_vm::FOLIO;
use lu_vm::GuestFailure;
use lu_vm::Handover;
use lu_vm::LiveUpdate;
use lu_vm::PAGE;
use lu_vm::PFN;
use lu_vm::Program;
use lu_vm::Structure;
use lu_vm::Transcript;
use lu_vm::run_at_jump;

use crate::run::Run;

/// Page-aligned, and far above the memory of any guest.
pub const OUTSIDE_MEMORY: u64 = 1 << 46;

/// Where a block of sessions or files has its count: behind the address of the next block.
pub const COUNT: u64 = 8;

/// Where a block of files has the name of the first one's handler: behind its header.
pub const COMPATIBLE: u64 = 16;

/// How long both kernels may take: 4 seconds on an idle machine. One that hangs is not waited for.
const DEADLINE: Duration = Duration::from_secs(90);

/// Tells the guest to look for leaks behind the jump only. Until then nothing is damaged, and takes as long.
const LOOK_AFTER: &str = "lu_look=after";

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
    "nothing in the handover",
    "truncated",
    "cycl",
    "loop",
    "absurd",
    "bad ",
    "refus",
    "reject",
    "not preserved",
    "unusable",
    "unknown flags",
    "unknown seals",
    "aligned",
    "vmalloc area: ",
    "no handler",
    "ignored",
];

/// What is said of the first file if nothing is wrong with it.
pub const DATA_INTACT: &str = "# the data is intact";

/// What is said of the other one.
pub const OTHER_INTACT: &str = "# the other file is intact";

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

/// Live-updates with one word overwritten on the way by `act`. Says what was done, and what came of it.
pub fn update_with_word<A>(run: &Run<'_>, part: &str, act: A) -> (String, Result<Transcript>)
where
    A: FnOnce(&Handover, &mut Debugger) -> Result<Word>,
{
    let mut word = None;
    let updated = update_with(run, part, LOOK_AFTER, |handover, debugger| {
        word = Some(act(handover, debugger)?);
        Ok(())
    });
    let Some(word) = word else {
        return ("nothing was done".to_owned(), updated);
    };
    let checked = updated.and_then(|seen| check_word(&seen, &word).map(|()| seen));
    (word.to_string(), checked)
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
        shows(seen, OTHER_INTACT, "another file suffered")
    })
}

fn survive_and(
    run: &Run<'_>,
    cmdline: &str,
    damages: &[Damage],
    more: fn(&Transcript) -> Result<()>,
) -> Result<()> {
    let cmdline = format!("{cmdline} {LOOK_AFTER}");
    let mut tries = Tries::new(run);
    for damage in damages {
        let part = format!("-{}", damage.name);
        let updated = update_with(run, &part, &cmdline, damage.act);
        let checked = updated.and_then(|seen| check(&seen).and_then(|()| more(&seen)));
        tries.add(damage.name, checked);
    }
    tries.conclude()
}

/// Damaged handovers, and what came of them.
pub struct Tries<'a> {
    run: &'a Run<'a>,
    failures: Vec<(String, Error)>,
}

impl<'a> Tries<'a> {
    /// None so far.
    pub fn new(run: &'a Run<'a>) -> Self {
        Self {
            run,
            failures: Vec::new(),
        }
    }

    /// Adds one, and gives what it gave if it was survived.
    pub fn add<T>(&mut self, name: impl Into<String>, result: Result<T>) -> Option<T> {
        match self.run.tried(result) {
            Ok(value) => Some(value),
            Err(error) => {
                self.failures.push((name.into(), error));
                None
            }
        }
    }

    /// One error for all that failed.
    pub fn conclude(self) -> Result<()> {
        GuestFailure::join(&self.failures)
    }
}

/// The second kernel reached userspace, said what is wrong, gave nothing out, and can be updated again.
fn check(seen: &Transcript) -> Result<()> {
    if is_said(seen, DATA_INTACT) {
        return Err(seen.failure("the damage went unnoticed"));
    }
    if !names_the_damage(seen) {
        return Err(seen.failure("no line of the log says what is wrong with the handover"));
    }
    works(seen)
}

/// The same of a damaged word that may not have mattered. That nothing foreign was given out the program has
/// seen to, or it would have failed.
pub fn check_word(seen: &Transcript, word: &Word) -> Result<()> {
    works(seen)?;
    let other_is_intact = is_said(seen, OTHER_INTACT);
    if !other_is_intact && !word.structure.shared {
        return Err(seen.failure("another file suffered"));
    }
    let is_lost = !other_is_intact || !is_said(seen, DATA_INTACT);
    if is_lost && !word.is_as_good_as_any() && !names_the_damage(seen) {
        return Err(seen.failure("something is lost, and no line of the log says why"));
    }
    Ok(())
}

/// Live update is of use again.
pub fn works(seen: &Transcript) -> Result<()> {
    shows(
        seen,
        "# a new session works",
        "live update is of no use any more",
    )
}

/// Whether a line of the second kernel's log says what is wrong with the handover.
fn names_the_damage(seen: &Transcript) -> bool {
    after(seen).iter().any(|line| is_clear(line))
}

/// Whether a line is about bad input to a live update. What repeats the command line is not: names of ours are
/// in it.
fn is_clear(line: &str) -> bool {
    let line = line.to_lowercase();
    !line.contains("command line")
        && SPEAKERS.iter().any(|who| line.contains(who))
        && WORDS.iter().any(|what| line.contains(what))
}

/// A word of the handover that was overwritten.
pub struct Word {
    structure: Structure,
    offset: u64,
    old: u64,
    new: u64,
}

impl Word {
    /// The length of a word in bytes.
    pub const LENGTH: u64 = 8;

    /// Overwrites the word at `offset` of `structure` with what `choose` makes of it.
    ///
    /// Where that is a page of the other file, it is one outside of memory instead: formats do not say of a
    /// page whose it is.
    pub fn overwrite(
        handover: &Handover,
        debugger: &mut Debugger,
        structure: &Structure,
        offset: u64,
        choose: impl FnOnce(u64) -> u64,
    ) -> Result<Self> {
        let at = structure.address + offset;
        let old = debugger.read_physical_u64(at)?;
        let pages = handover.pages_of_second_file(debugger)?;
        let is_foreign = |value: u64| {
            let frame = (value & PFN).wrapping_mul(PAGE);
            pages.contains(&(value & !(PAGE - 1))) || pages.contains(&frame)
        };
        let new = Some(choose(old))
            .filter(|new| !is_foreign(*new))
            .unwrap_or(OUTSIDE_MEMORY);
        debugger.write_physical_u64(at, new)?;
        Ok(Self {
            structure: structure.clone(),
            offset,
            old,
            new,
        })
    }

    /// Whether the word says something now that a sound handover may say as well: what is lost by that is
    /// lost without a word.
    fn is_as_good_as_any(&self) -> bool {
        match (self.structure.name.as_str(), self.offset) {
            // No sessions at all.
            ("LUO's root", 16) => self.new == 0,
            // Another name, another token.
            ("session", ..64) | ("file", 56) => true,
            ("memfd's table", at) => at.is_multiple_of(FOLIO) && self.makes_a_hole(),
            _ => false,
        }
    }

    /// Whether an entry of a memfd's table stands for no folio now, or for one that was never written.
    fn makes_a_hole(&self) -> bool {
        const UPTODATE: u64 = 1 << 53;
        let (before, now) = (self.old & PFN, self.new & PFN);
        now == 0 || now == before && self.new & UPTODATE == 0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            structure,
            offset,
            old,
            new,
        } = self;
        write!(
            f,
            "{}, byte {offset}: {old:#x} became {new:#x}",
            structure.name
        )
    }
}

/// Sees that the second kernel's console shows `text`.
pub fn shows(seen: &Transcript, text: &str, otherwise: &str) -> Result<()> {
    match is_said(seen, text) {
        true => Ok(()),
        false => Err(seen.failure(otherwise)),
    }
}

/// Whether the second kernel's console shows `text`.
pub fn is_said(seen: &Transcript, text: &str) -> bool {
    after(seen).iter().any(|line| line.contains(text))
}

/// What the second kernel said.
fn after(seen: &Transcript) -> &[String] {
    seen.boots().get(1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(name: &str, offset: u64, old: u64, new: u64) -> Word {
        let structure = Structure {
            name: name.to_owned(),
            address: PAGE,
            length: PAGE,
            shared: false,
        };
        Word {
            structure,
            offset,
            old,
            new,
        }
    }

    #[test]
    fn what_is_wrong_is_told_from_what_is_always_said() {
        for line in [
            "liveupdate: KHO: preserved vmalloc area: chunks list 0 pages, the area has 1",
            "liveupdate: LUO: no handler for 'memfd-x9' is registered; load its module and try again",
        ] {
            assert!(is_clear(line), "{line}");
        }
        for line in [
            "Unknown kernel command line parameters \"nokaslr luo_stage=2\", will be passed to user space.",
            "liveupdate: LUO: retrieved live update data, liveupdate number: 1",
            "ACPI: bad checksum",
            "# no session: -2",
        ] {
            assert!(!is_clear(line), "{line}");
        }
    }

    #[test]
    fn only_what_a_sound_handover_may_say_is_lost_in_silence() {
        const ENTRY: u64 = 3 << 52 | 7;
        let silent = |name, offset, new| word(name, offset, ENTRY, new).is_as_good_as_any();
        for (name, offset, new) in [
            ("LUO's root", 16, 0),
            ("session", 56, 1),
            ("file", 56, 1),
            ("memfd's table", 32, 0),
            ("memfd's table", 32, 1 << 52 | 7),
        ] {
            assert!(silent(name, offset, new), "{name}, byte {offset}");
        }
        for (name, offset, new) in [
            ("LUO's root", 16, PAGE),
            ("LUO's root", 24, 0),
            ("block of sessions", 8, 0),
            ("session", 64, 0),
            ("memfd", 24, 0),
            ("memfd's table", 40, 0),
            ("memfd's table", 32, 8),
        ] {
            assert!(!silent(name, offset, new), "{name}, byte {offset}");
        }
    }
}
