// SPDX-License-Identifier: GPL-2.0

//! What a scenario is given.

use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::Result;
use lu_vm::Chain;
use lu_vm::Kernel;
use lu_vm::LiveUpdate;
use lu_vm::Pair;
use lu_vm::Program;
use lu_vm::SingleKernel;
use lu_vm::places;

/// Has the first kernel write the format that mainline does not know.
pub const EXTENTS: &str = "liveupdate_memfd=extents";

/// One run of a scenario: between two kernels, or on one.
pub struct Run<'a> {
    name: &'a str,
    kernels: &'a Pair,
    seed: u64,
    notes: Mutex<Vec<String>>,
}

impl<'a> Run<'a> {
    /// A run of the scenario of that `name`, all of whose random choices come from `seed`.
    pub fn new(name: &'a str, kernels: &'a Pair, seed: u64) -> Self {
        Self {
            name,
            kernels,
            seed,
            notes: Mutex::new(Vec::new()),
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
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(text.into());
    }

    /// What was added.
    pub fn into_notes(self) -> Vec<String> {
        self.notes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn seed_argument(&self) -> String {
        format!("lu_seed={:#x}", self.seed)
    }
}

/// For scenarios that are one live update: `update(...).run()` without what the console showed.
pub fn passes(update: LiveUpdate) -> Result<()> {
    update.run().map(drop)
}
