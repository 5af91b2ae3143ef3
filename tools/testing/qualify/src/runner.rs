// SPDX-License-Identifier: GPL-2.0

//! Runs scenarios, several at once, and says how it is going.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::collections::btree_map::Entry;
use std::hash::BuildHasher;
use std::hash::Hasher;
use std::hash::RandomState;
use std::num::ParseIntError;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use lu_vm::Kernel;
use lu_vm::Pair;

use crate::facts::Facts;
use crate::outcome::NotApplicable;
use crate::outcome::Outcome;
use crate::outcome::Record;
use crate::run::Findings;
use crate::run::Run;
use crate::scenario::Expected;
use crate::scenario::Scenario;
use crate::scenario::Shape;

/// After so long without news there is a line that says what is running.
const SILENCE: Duration = Duration::from_secs(30);

/// A scenario and where to run it.
#[derive(Clone)]
pub struct Job {
    /// Which scenario.
    pub scenario: &'static Scenario,
    /// The kernels; the same one twice for [`Shape::Each`].
    pub kernels: Pair,
    /// `rust_to_mainline`, or `on_rust`.
    pub place: String,
}

/// What there is to do for `scenarios` between each of `pairs`.
///
/// Scenarios of one kernel are done once for each kernel, whatever pairs it is in.
pub fn jobs(scenarios: &[&'static Scenario], pairs: &[Pair]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for pair in pairs {
        for &scenario in scenarios {
            let new = match scenario.shape {
                Shape::Update => vec![(pair.clone(), pair.to_string())],
                Shape::Each => [&pair.before, &pair.after].map(alone).into(),
            };
            for (kernels, place) in new {
                let known = |job: &Job| job.scenario.name == scenario.name && job.place == place;
                if !jobs.iter().any(known) {
                    jobs.push(Job {
                        scenario,
                        kernels,
                        place,
                    });
                }
            }
        }
    }
    jobs
}

fn alone(kernel: &Kernel) -> (Pair, String) {
    let pair = Pair {
        before: kernel.clone(),
        after: kernel.clone(),
    };
    (pair, format!("on_{kernel}"))
}

/// What is known of each kernel, by what it is called. Of those that are built here there are two of a
/// kind, which have the same.
pub type Known = BTreeMap<String, Facts>;

/// Finds out about all kernels of `pairs`. Different ones must have different names.
pub fn look_at(pairs: &[Pair]) -> Result<Known> {
    let mut known = Known::new();
    for kernel in pairs.iter().flat_map(|pair| [&pair.before, &pair.after]) {
        if let Entry::Vacant(vacant) = known.entry(kernel.to_string()) {
            println!("Looking at {kernel}: {}", kernel.path()?.display());
            let facts = Facts::of(kernel)?;
            facts.check(kernel)?;
            vacant.insert(facts);
        }
    }
    Ok(known)
}

/// Does `jobs`, `at_once` of them at a time. Whenever one is done, `take` gets its number and what came
/// of it; where that fails, no more are begun.
pub fn run<T>(jobs: Vec<Job>, known: &Known, seed: u64, at_once: usize, mut take: T) -> Result<()>
where
    T: FnMut(usize, Record) -> Result<()>,
{
    let mut progress = Progress {
        total: jobs.len(),
        done: 0,
        started: Instant::now(),
    };
    let queue = Mutex::new(jobs.into_iter().enumerate().collect::<VecDeque<_>>());
    let running = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        let (sender, records) = mpsc::channel();
        for _ in 0..at_once.max(1) {
            let sender = sender.clone();
            let (queue, running) = (&queue, &running);
            scope.spawn(move || {
                // Ends when nothing is left, or nobody wants to hear of it any more.
                while let Some((number, job)) = next(queue) {
                    let name = format!("{}::{}", job.scenario.name, job.place);
                    lock(running).insert(number, (name, Instant::now()));
                    let record = run_one(job, known, seed);
                    lock(running).remove(&number);
                    if sender.send((number, record)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        loop {
            match records.recv_timeout(SILENCE) {
                Ok((number, record)) => {
                    progress.ended(&record);
                    take(number, record)?;
                }
                Err(RecvTimeoutError::Timeout) => progress.goes_on(&lock(&running)),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    })
}

/// Takes the next job, and gives the queue back before it is done.
fn next(queue: &Mutex<VecDeque<(usize, Job)>>) -> Option<(usize, Job)> {
    lock(queue).pop_front()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a seed: decimal, or hexadecimal as it is shown.
pub fn seed_from(text: &str) -> Result<u64, ParseIntError> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
}

/// A seed that nobody has chosen.
pub fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// What one scenario's choices come from: the same in every place, and whichever others are run.
pub fn seed_of(seed: u64, scenario: &str) -> u64 {
    // FNV-1a.
    scenario
        .bytes()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// Does one job. A panic of the scenario is its failure.
fn run_one(job: Job, known: &Known, seed: u64) -> Record {
    let Job {
        scenario,
        kernels,
        place,
    } = job;
    let started = Instant::now();
    let seed = seed_of(seed, scenario.name);
    let (outcome, findings) = match (
        known.get(&kernels.before.to_string()),
        known.get(&kernels.after.to_string()),
    ) {
        (Some(before), Some(after)) => match scenario.not_applicable(before, after) {
            Some(why) => (Outcome::NotApplicable { why }, Findings::default()),
            None => {
                let run = Run::new(scenario.name, &kernels, seed);
                let result = panic::catch_unwind(AssertUnwindSafe(|| (scenario.run)(&run)));
                let result =
                    result.unwrap_or_else(|_| Err(anyhow::anyhow!("the scenario panicked")));
                let known = scenario.expected_failure(before, after);
                let mut findings = run.into_findings();
                if let (Ok(()), Some(known)) = (&result, &known) {
                    findings.notes.push(format!(
                        "it was known to fail here, and did not: {}",
                        known.why
                    ));
                }
                (judge(result, known), findings)
            }
        },
        _ => (
            Outcome::Failed {
                why: "nothing is known of one of the kernels".to_owned(),
            },
            Findings::default(),
        ),
    };
    Record {
        scenario,
        place,
        kernels,
        seed,
        outcome,
        survivals: findings.survivals,
        notes: findings.notes,
        took: started.elapsed(),
    }
}

/// A failure is the known one only if it can be: nobody knows of a harness that does not work.
fn judge(result: Result<()>, known: Option<Expected>) -> Outcome {
    let error = match result {
        Ok(()) => return Outcome::Passed,
        Err(error) => error,
    };
    let why = format!("{error:#}");
    if error.is::<NotApplicable>() {
        return Outcome::NotApplicable { why };
    }
    let Some(known) = known else {
        return Outcome::Failed { why };
    };
    match error.downcast_ref() {
        Some(guest) if known.is(guest) => Outcome::FailedAsKnown {
            known: known.why.to_owned(),
            why,
        },
        _ => Outcome::Failed {
            why: format!("not what is known to fail here ({}): {why}", known.why),
        },
    }
}

/// How far it is, for whoever waits.
struct Progress {
    total: usize,
    done: usize,
    started: Instant,
}

impl Progress {
    /// Says what came of one, and why if it did not pass.
    fn ended(&mut self, record: &Record) {
        self.done += 1;
        println!(
            "[{:3}/{}] {:13} {:5.1} s  {}::{}  ({} s so far)",
            self.done,
            self.total,
            record.summary(),
            record.took.as_secs_f64(),
            record.scenario.name,
            record.place,
            self.started.elapsed().as_secs(),
        );
        let why = match &record.outcome {
            Outcome::Failed { why } => why,
            Outcome::NotApplicable { why } | Outcome::FailedAsKnown { known: why, .. } => {
                println!("          {why}");
                return;
            }
            Outcome::Passed => return,
        };
        for line in why.lines() {
            println!("          {line}");
        }
    }

    /// Says what it is that takes so long.
    fn goes_on(&self, running: &BTreeMap<usize, (String, Instant)>) {
        for (name, since) in running.values() {
            println!(
                "          {name} has run for {} s",
                since.elapsed().as_secs()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::pair;
    use crate::scenario::Signs;
    use crate::scenario::all;
    use lu_vm::GuestFailure;

    #[test]
    fn one_kernel_is_tried_once_whatever_pairs_it_is_in() {
        let pairs = [
            pair("rust", "rust"),
            pair("rust", "mainline"),
            pair("mainline", "rust"),
        ];
        let jobs = jobs(&all(), &pairs);
        for scenario in all() {
            let places: Vec<&str> = jobs
                .iter()
                .filter(|job| job.scenario.name == scenario.name)
                .map(|job| job.place.as_str())
                .collect();
            match scenario.shape {
                Shape::Each => assert_eq!(places, ["on_rust", "on_mainline"]),
                Shape::Update => assert_eq!(
                    places,
                    ["rust_to_rust", "rust_to_mainline", "mainline_to_rust"]
                ),
            }
        }
    }

    #[test]
    fn seeds_depend_on_the_scenario_and_on_nothing_else() {
        assert_eq!(seed_of(1, "a"), seed_of(1, "a"));
        assert_ne!(seed_of(1, "a"), seed_of(1, "b"));
        assert_ne!(seed_of(1, "a"), seed_of(2, "a"));
    }

    #[test]
    fn a_known_failure_is_told_from_a_new_one() {
        let harness = || Err(anyhow::anyhow!("seen"));
        let guest = |text: &str| Err(GuestFailure::of_results(text));
        let known = |signs, after_jump| {
            Some(Expected {
                why: "known",
                signs,
                after_jump,
            })
        };
        let any = |after_jump| known(Signs::Any, after_jump);
        assert_eq!(judge(Ok(()), any(true)), Outcome::Passed);
        assert_eq!(judge(guest("seen"), None).word(), "FAIL");
        assert_eq!(judge(guest("seen"), any(true)).word(), "known failure");
        assert_eq!(judge(guest("seen"), any(false)).word(), "known failure");
        assert_eq!(judge(harness(), any(false)).word(), "FAIL");

        let text = |seen| judge(guest(seen), known(Signs::Text("too late"), true)).word();
        assert_eq!(text("it came too late"), "known failure");
        assert_eq!(text("it died"), "FAIL");

        let tests = |seen| judge(guest(seen), known(Signs::Tests(&["a", "b"]), true)).word();
        assert_eq!(
            tests("gave up\n    [    1.0] not ok 2 global.a"),
            "known failure"
        );
        assert_eq!(
            tests("not ok 1 x.a\nok 2 x.c\nnot ok 3 x.b"),
            "known failure"
        );
        assert_eq!(tests("not ok 1 x.a\nnot ok 2 x.c"), "FAIL");
        assert_eq!(tests("not ok 1 x.ba"), "FAIL");
        assert_eq!(tests("it died"), "FAIL");
    }
}
