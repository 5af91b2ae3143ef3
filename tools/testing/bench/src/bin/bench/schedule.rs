// SPDX-License-Identifier: GPL-2.0

//! Makes the runs, and says how far it is.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::fs;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use lu_bench::work::Fate;
use lu_vm::GuestFailure;

use crate::cases;
use crate::cases::Run;
use crate::cases::Time;
use crate::cli::Cli;
use crate::cli::Variant;
use crate::clock::Clock;
use crate::guest;
use crate::guest::Kernels;
use crate::guest::Spec;
use crate::profile::Profiler;
use crate::results::Results;

/// All runs, each once: those by the wall clock last.
pub(crate) fn plan(cli: &Cli) -> Vec<Run> {
    let works = cases::works(cli);
    let mut runs = Vec::new();
    for &work in &works {
        runs.extend(cases::runs(cli, work, Time::Instructions));
    }
    for attempt in 0..cli.attempts() {
        for &work in works.iter().filter(|&&work| cases::by_wall(cli, work)) {
            runs.extend(cases::runs(cli, work, Time::Wall(attempt)));
        }
    }
    let mut seen = BTreeSet::new();
    runs.retain(|&run| seen.insert(run));
    runs
}

/// Makes the runs. Those that count instructions may run side by side. After a failure none is begun any more,
/// but what was measured until then is there.
pub(crate) fn execute(
    cli: &Cli,
    kernels: &BTreeMap<Variant, Kernels>,
    runs: &[Run],
) -> Result<(Results, Option<anyhow::Error>)> {
    let (alone, together): (Vec<Run>, Vec<Run>) = runs
        .iter()
        .partition(|run| matches!(run.time, Time::Wall(_)));
    let seconds: f64 = runs.iter().map(|run| run.estimate()).sum();
    let profiler = cli.profile.then(Profiler::build).transpose()?;
    let team = Team {
        cli,
        profiler,
        kernels,
        wall: if alone.is_empty() {
            Clock::Instructions
        } else {
            Clock::wall()
        },
        start: Instant::now(),
        state: Mutex::new(State {
            waiting: together.into(),
            all: runs.len(),
            seconds,
            ..State::default()
        }),
        ended: Condvar::new(),
        budget_mib: budget_mib()?,
    };
    let jobs = cli.jobs.max(1);
    eprintln!(
        "{} runs, {jobs} at a time; about {:.0} minutes on a machine that does nothing else",
        runs.len(),
        (seconds / f64::from(u32::try_from(jobs)?) / 60.0).ceil()
    );
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| team.work());
        }
    });
    team.lock().waiting = alone.into();
    team.work();
    let state = team
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok((state.results, state.failure))
}

/// Those who make the runs.
struct Team<'a> {
    cli: &'a Cli,
    profiler: Option<Profiler>,
    kernels: &'a BTreeMap<Variant, Kernels>,
    wall: Clock,
    start: Instant,
    state: Mutex<State>,
    /// A run has ended.
    ended: Condvar,
    /// What guests that run at once may have together.
    budget_mib: u64,
}

/// What they share.
#[derive(Default)]
struct State {
    waiting: VecDeque<Run>,
    /// Memory of the guests that run.
    running_mib: u64,
    /// How many there are in all, and how many were begun.
    all: usize,
    begun: usize,
    /// What all runs are estimated to take, and what those that are done were.
    seconds: f64,
    done: f64,
    results: Results,
    failure: Option<anyhow::Error>,
}

impl Team<'_> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one run after the other, until there are none left or one failed.
    fn work(&self) {
        while let Some((position, run)) = self.next() {
            let title = title(&run);
            if let Some(why) = run.refusal() {
                eprintln!("{position} {title}: {why}");
                self.done(&run, Ok(Err(why)));
                continue;
            }
            eprintln!("{position} {title}: about {:.0} s ...", run.estimate());
            let begun = Instant::now();
            let outcome = self.attempt(&run);
            let left = self.done(&run, outcome);
            eprintln!(
                "{position} {title}: {:.0} s; about {left:.0} minutes left",
                begun.elapsed().as_secs_f64()
            );
        }
    }

    fn next(&self) -> Option<(String, Run)> {
        // One guest may have as much as it needs; whether that is there, QEMU will say.
        let too_much = |state: &mut State| {
            let next = state
                .waiting
                .front()
                .map_or(0, |run| u64::from(run.memory_mib));
            state.running_mib > 0 && state.running_mib + next > self.budget_mib
        };
        let mut state = self
            .ended
            .wait_while(self.lock(), too_much)
            .unwrap_or_else(PoisonError::into_inner);
        if state.failure.is_some() {
            return None;
        }
        let run = state.waiting.pop_front()?;
        state.running_mib += u64::from(run.memory_mib);
        state.begun += 1;
        Some((format!("[{:>3}/{}]", state.begun, state.all), run))
    }

    /// Makes a run. That mainline does not end is a result, anything else that goes wrong is a failure.
    fn attempt(&self, run: &Run) -> Result<Result<guest::Outcome, String>> {
        let spec = Spec {
            work: run.work,
            variant: run.variant,
            fate: run.fate,
            memory_mib: run.memory_mib,
            clock: match run.time {
                Time::Instructions => Clock::Instructions,
                Time::Wall(_) => self.wall,
            },
            seed: self.cli.seed,
            deadline: Duration::from_secs(self.cli.deadline),
        };
        let title = title(run);
        let name = format!("bench-{}", title.replace([':', ','], "").replace(' ', "-"));
        let profiler = self.profiler.as_ref();
        let profiler = profiler.filter(|_| run.time == Time::Instructions);
        match guest::run(&name, &self.kernels[&run.variant], &spec, profiler) {
            Ok(outcome) => Ok(Ok(outcome)),
            Err(error)
                if run.variant == Variant::Mainline
                    && error.downcast_ref().is_some_and(GuestFailure::is_late) =>
            {
                eprintln!("{title}: {error:#}");
                Ok(Err(format!("did not end within {} s", self.cli.deadline)))
            }
            Err(error) => Err(error.context(format!("measuring {title}"))),
        }
    }

    /// Keeps what came of a run, and gives the minutes that the others are estimated to take.
    fn done(&self, run: &Run, outcome: Result<Result<guest::Outcome, String>>) -> f64 {
        let mut state = self.lock();
        state.running_mib -= u64::from(run.memory_mib);
        self.ended.notify_all();
        state.done += run.estimate();
        match outcome {
            Ok(result) => {
                state.results.runs.insert(*run, result);
            }
            Err(error) => state.failure = Some(error),
        }
        // What took longer than estimated so far will go on to do so.
        let spent = self.start.elapsed().as_secs_f64();
        (state.seconds - state.done).max(0.0) * (spent / state.done) / 60.0
    }
}

/// Memory that guests may have, in MiB: four fifths of what is available.
fn budget_mib() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let kib: u64 = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemAvailable:")?
                .trim()
                .strip_suffix(" kB")
        })
        .and_then(|number| number.parse().ok())
        .context("/proc/meminfo does not say how much memory is available")?;
    Ok(kib / 1024 / 5 * 4)
}

/// A run, for people.
fn title(run: &Run) -> String {
    let fate = match run.fate {
        Fate::Keep => "",
        Fate::Discard => ", discarded",
    };
    let memory = match run.work {
        lu_bench::work::Work::NOTHING => format!(" in {} MiB", run.memory_mib),
        _ => String::new(),
    };
    let time = match run.time {
        Time::Instructions => String::new(),
        Time::Wall(attempt) => format!(", wall clock {}", attempt + 1),
    };
    format!("{}: {}{memory}{fate}{time}", run.variant.name(), run.work)
}
