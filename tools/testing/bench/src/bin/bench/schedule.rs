// SPDX-License-Identifier: GPL-2.0

//! Makes the runs, one after the other, and says how far it is.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use lu_bench::work::Fate;

use crate::cases;
use crate::cases::Run;
use crate::cases::Time;
use crate::cli::Cli;
use crate::cli::Variant;
use crate::clock::Clock;
use crate::guest;
use crate::guest::Kernels;
use crate::guest::Spec;
use crate::results::Results;

/// All runs, each once.
pub(crate) fn plan(cli: &Cli) -> Vec<Run> {
    let mut seen = BTreeSet::new();
    let mut runs = Vec::new();
    for work in cases::works(cli) {
        for run in cases::runs(cli, work, Time::Instructions) {
            if seen.insert(run) {
                runs.push(run);
            }
        }
    }
    runs
}

/// Makes the runs.
pub(crate) fn execute(
    cli: &Cli,
    kernels: &BTreeMap<Variant, Kernels>,
    runs: &[Run],
) -> Result<Results> {
    let start = Instant::now();
    let mut results = Results::default();
    let mut wall = None;
    for (number, run) in runs.iter().enumerate() {
        let title = title(run);
        let position = format!("[{:>3}/{}]", number + 1, runs.len());
        if let Some(why) = run.refusal() {
            eprintln!("{position} {title}: {why}");
            results.runs.insert(*run, Err(why));
            continue;
        }
        eprintln!("{position} {title} ...");
        let clock = match run.time {
            Time::Instructions => Clock::Instructions,
            Time::Wall(_) => *wall.get_or_insert_with(Clock::wall),
        };
        let spec = Spec {
            work: run.work,
            fate: run.fate,
            memory_mib: run.memory_mib,
            clock,
            seed: cli.seed,
            deadline: Duration::from_secs(cli.deadline),
        };
        let begun = Instant::now();
        let outcome = guest::run("bench", &kernels[&run.variant], &spec)
            .with_context(|| format!("measuring {title}"))?;
        eprintln!(
            "{position} {title}: took {:.1} s, {:.0} s in all",
            begun.elapsed().as_secs_f64(),
            start.elapsed().as_secs_f64()
        );
        results.runs.insert(*run, Ok(outcome));
    }
    Ok(results)
}

/// A run, for people.
fn title(run: &Run) -> String {
    let fate = match run.fate {
        Fate::Keep => "",
        Fate::Discard => ", discarded",
    };
    let time = match run.time {
        Time::Instructions => String::new(),
        Time::Wall(attempt) => format!(", wall clock {}", attempt + 1),
    };
    format!("{}: {}{fate}{time}", run.variant.name(), run.work)
}
