// SPDX-License-Identifier: GPL-2.0

//! Many live updates in a row, from one kernel to the other and back.

use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::arch::Arch;
use crate::console::Transcript;
use crate::guest::Program;
use crate::kernel::Pair;
use crate::live_update::Init;
use crate::live_update::KERNEL;
use crate::live_update::QUIET;
use crate::live_update::check_ktap;
use crate::live_update::failed;
use crate::live_update::no_failed_stage;
use crate::live_update::programs;
use crate::live_update::stage_done;
use crate::live_update::two_kernels;
use crate::live_update::with_live_update;
use crate::live_update::with_modules;
use crate::vm::Boot;

/// How long one boot may take, with what the program does in it. It is 3 seconds on an idle machine.
const ONE_BOOT: Duration = Duration::from_secs(90);

/// How often it says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// What our init says of where the kernel says it comes from.
const PREDECESSOR: &str = "lu-init: the kernel says: exec from: ";

/// A program that runs before, between and after many live updates.
///
/// It is started with `-s 1` in the first boot, `-s 2` in the next one and so on. The boots take turns
/// between the two kernels.
pub struct Chain {
    name: String,
    kernels: Pair,
    program: Program,
    updates: usize,
    jumps_by_itself: bool,
    ktap: Option<usize>,
    cmdline: Vec<String>,
}

impl Chain {
    /// So many live updates, the first of them from the kernel before to the one after.
    pub fn new(name: &str, kernels: impl Into<Pair>, program: Program, updates: usize) -> Self {
        let kernels = kernels.into();
        Self {
            name: format!("{name}-{kernels}"),
            kernels,
            program,
            updates,
            jumps_by_itself: false,
            ktap: None,
            cmdline: vec![QUIET.to_owned()],
        }
    }

    /// Adds to the command line of all boots.
    pub fn cmdline(mut self, argument: &str) -> Self {
        self.cmdline.push(argument.to_owned());
        self
    }

    /// Between the first boot and the last the program reboots by itself, so that init does not come to say that
    /// a stage is done.
    pub fn jumps_by_itself(mut self) -> Self {
        self.jumps_by_itself = true;
        self
    }

    /// Wants a KTAP report of so many passed tests from the program in the last boot.
    pub fn ktap_at_the_end(mut self, count: usize) -> Self {
        self.ktap = Some(count);
        self
    }

    /// Does all of them, says how it is going, and checks that each kernel knows which one was before it and
    /// how many. Gives the console for further checks.
    pub fn run(self) -> Result<Transcript> {
        let mut vm = self.boot()?.start()?;
        let started = Instant::now();
        let mut said = started;
        let last = self.updates + 1;
        for stage in 1..=last {
            if self.jumps_by_itself && stage != 1 && stage != last {
                continue;
            }
            vm.wait_for_within(&stage_done(&stage.to_string()), ONE_BOOT)?;
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                println!(
                    "{}: {} of {} live updates, {} s so far",
                    self.name,
                    stage - 1,
                    self.updates,
                    started.elapsed().as_secs()
                );
            }
        }
        let seen = vm.finish()?;
        self.check(&seen)
            .map_err(|error| failed(&self.name, &error, &seen))?;
        Ok(seen)
    }

    fn boot(&self) -> Result<Boot> {
        let arch = Arch::from_env()?;
        let mut root = programs(&self.name, arch, Init::Ours, Some(&self.program))?;
        let Pair { before, after } = &self.kernels;
        for (number, kernel) in [before, after].into_iter().enumerate() {
            let dir = format!("/chain/{number}");
            root = with_modules(root, &dir, kernel)?.file(&(dir + KERNEL), &kernel.path()?)?;
        }
        let boot = Boot::new(&self.name, arch, &before.path()?, root)
            // There is none that would not be over: each boot has its own.
            .deadline(ONE_BOOT * u32::try_from(self.updates + 2)?)
            .cmdline("retain_initrd")
            .cmdline(&format!("lu_updates={}", self.updates));
        Ok(with_live_update(boot, &self.cmdline))
    }

    fn check(&self, seen: &Transcript) -> Result<()> {
        no_failed_stage(seen)?;
        let releases = seen.releases();
        ensure!(
            releases.len() == self.updates + 1,
            "{} kernels said hello, {} live updates have one more",
            releases.len(),
            self.updates
        );
        two_kernels(&self.kernels, releases[0], releases[1])?;
        for (number, &release) in releases.iter().enumerate() {
            let wanted = releases[number % 2];
            ensure!(
                release == wanted,
                "update {number} was to {release}, not {wanted}"
            );
        }
        for (number, lines) in seen.boots().into_iter().enumerate() {
            check_predecessor(lines, number, &releases)?;
        }
        let last = seen.boots().pop().unwrap_or_default();
        check_ktap(last, self.ktap)
    }
}

/// The kernel after update `number` knows that number, and the release of the kernel before.
fn check_predecessor(lines: &[String], number: usize, releases: &[&str]) -> Result<()> {
    let said = lines
        .iter()
        .find_map(|line| line.split_once(PREDECESSOR).map(|(_, said)| said.trim()));
    match (number, said) {
        (0, None) => Ok(()),
        (0, Some(said)) => bail!("the first kernel says that it comes from {said}"),
        (_, None) => bail!("the kernel after update {number} does not say where it comes from"),
        (_, Some(said)) => {
            let wanted = format!("{} (count {number})", releases[number - 1]);
            ensure!(
                said == wanted,
                "the kernel after update {number} says that it comes from {said}, not {wanted}"
            );
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: Option<&str>, number: usize) -> Result<()> {
        let line = said.map(|said| format!("[    1.0] {PREDECESSOR}{said}"));
        let lines: Vec<String> = line.into_iter().collect();
        check_predecessor(&lines, number, &["7.3-a", "7.3-b", "7.3-a"])
    }

    #[test]
    fn each_kernel_but_the_first_knows_the_one_before_and_the_count() {
        assert!(check(None, 0).is_ok());
        assert!(check(Some("7.3-a (count 1)"), 1).is_ok());
        assert!(check(Some("7.3-b (count 2)"), 2).is_ok());
        assert!(check(Some("7.3-b (count 1)"), 0).is_err());
        assert!(check(Some("7.3-a (count 2)"), 2).is_err());
        assert!(check(Some("7.3-b (count 1)"), 2).is_err());
        assert!(check(None, 1).is_err());
    }
}
