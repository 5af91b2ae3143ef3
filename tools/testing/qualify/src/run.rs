// SPDX-License-Identifier: GPL-2.0

//! What a scenario is given.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use anyhow::Error;
use anyhow::Result;
use lu_vm::Chain;
use lu_vm::GuestFailure;
use lu_vm::Kernel;
use lu_vm::LiveUpdate;
use lu_vm::Pair;
use lu_vm::Program;
use lu_vm::SingleKernel;
use lu_vm::places;

use crate::outcome::Survivals;

/// Has the first kernel write the format that mainline does not know.
pub const EXTENTS: &str = "liveupdate_memfd=extents";

/// One run of a scenario: between two kernels, or on one.
pub struct Run<'a> {
    name: &'a str,
    kernels: &'a Pair,
    seed: u64,
    findings: Mutex<Findings>,
}

/// What a run has found besides how it went.
#[derive(Default)]
pub struct Findings {
    /// What is worth knowing even if all is well.
    pub notes: Vec<String>,
    /// How many tries were survived, of a scenario that counts that.
    pub survivals: Option<Survivals>,
}

impl<'a> Run<'a> {
    /// A run of the scenario of that `name`, all of whose random choices come from `seed`.
    pub fn new(name: &'a str, kernels: &'a Pair, seed: u64) -> Self {
        Self {
            name,
            kernels,
            seed,
            findings: Mutex::default(),
        }
    }

    /// The kernels. They are the same one in a scenario of [`crate::Shape::Each`].
    pub fn kernels(&self) -> &Pair {
        self.kernels
    }

    /// The kernel that is booted.
    pub fn kernel(&self) -> &Kernel {
        &self.kernels.before
    }

    /// Where random choices come from. Programs find it as `lu_seed=` on the command line.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A live update with a program of `tools/testing/selftests/liveupdate` on both sides.
    pub fn update(&self, program: &str) -> LiveUpdate {
        self.update_with(Program::ours(program)).quiet()
    }

    /// A live update with any program.
    pub fn update_with(&self, program: Program) -> LiveUpdate {
        self.bare_update().program(program)
    }

    /// A program of mainline's `selftests/liveupdate`, started the way mainline's vmtest.sh does.
    pub fn mainline_program(&self, program: &str) -> LiveUpdate {
        self.update_with(Program::mainline_liveupdate(program))
            .mainline_init()
            .before_update("INIT: Stage 1 completed successfully.")
            .after_update("INIT: Stage 2 completed successfully.")
    }

    /// A live update to which the program is yet to be added.
    pub fn bare_update(&self) -> LiveUpdate {
        self.part("")
    }

    /// One of several live updates: their logs are told apart by `part`.
    pub fn part(&self, part: &str) -> LiveUpdate {
        LiveUpdate::new(&format!("{}{part}", self.name), self.kernels.clone())
            .cmdline(&self.seed_argument())
    }

    /// A program of `tools/testing/selftests/liveupdate` in each boot of `updates` live updates in a row.
    pub fn chain(&self, program: &str, updates: usize) -> Chain {
        Chain::new(
            self.name,
            self.kernels.clone(),
            Program::ours(program),
            updates,
        )
        .cmdline(&self.seed_argument())
    }

    /// A program of `tools/testing/selftests/liveupdate` on the first kernel alone.
    pub fn single(&self, program: &str) -> SingleKernel {
        self.single_with(Program::ours(program)).quiet()
    }

    /// Any program on the first kernel alone.
    pub fn single_with(&self, program: Program) -> SingleKernel {
        SingleKernel::new(self.name, self.kernel().clone(), program).cmdline(&self.seed_argument())
    }

    /// How often to do what is done `count` times on kernels of usual speed. Those that look after themselves
    /// take ten times as long, and are for finding what a few times show.
    pub fn times(&self, count: usize) -> Result<usize> {
        let slowness = usize::try_from(places::patience()?)?;
        let times = (count / slowness).max(1);
        if times < count {
            self.note(format!(
                "done {times} times, not {count}, as these kernels are slow"
            ));
        }
        Ok(times)
    }

    /// Says how far it is, for scenarios of minutes.
    pub fn progress(&self, done: usize, of: usize, what: &str) {
        println!("          {}: {done} of {of} {what}", self.name);
    }

    /// Adds something to the report that is worth knowing even if all is well.
    pub fn note(&self, text: impl Into<String>) {
        self.findings().notes.push(text.into());
    }

    /// Counts a try, and keeps the failure of it. One that failed before the jump, or not because of a
    /// guest, was none: nothing was survived, and nothing killed.
    pub fn tried<T>(&self, result: Result<T>) -> Result<T> {
        let jumped = |error: &Error| error.downcast_ref().is_some_and(GuestFailure::has_jumped);
        let mut findings = self.findings();
        let count = findings.survivals.get_or_insert_default();

        count.survived += usize::from(result.is_ok());
        count.tried += usize::from(result.as_ref().map_or_else(jumped, |_| true));
        result
    }

    /// What was added and counted.
    pub fn into_findings(self) -> Findings {
        self.findings
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seed_argument(&self) -> String {
        format!("lu_seed={:#x}", self.seed)
    }
}

/// For scenarios that are one live update: `update(...).run()` without what the console showed.
pub fn passes(update: LiveUpdate) -> Result<()> {
    update.run().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::pair;

    #[test]
    fn what_did_not_come_to_the_jump_was_neither_survived_nor_fatal() {
        let kernels = pair("rust", "rust");
        let run = Run::new("tries", &kernels, 1);
        let harness = || Err::<(), _>(anyhow::anyhow!("no debugger"));
        assert!(run.tried(Ok(())).is_ok());
        assert!(run.tried::<()>(Err(GuestFailure::of_results("x"))).is_err());
        assert!(run.tried(harness()).is_err());
        let survivals = run.into_findings().survivals;
        assert_eq!(
            survivals,
            Some(Survivals {
                survived: 1,
                tried: 2
            })
        );
        assert!(
            Run::new("none", &kernels, 1)
                .into_findings()
                .survivals
                .is_none()
        );
    }
}
