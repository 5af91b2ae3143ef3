// SPDX-License-Identifier: GPL-2.0

//! `make qualify`: runs the scenarios from one kernel to another, and reports.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use anyhow::ensure;
use clap::Parser;
use lu_qualify::Effort;
use lu_qualify::failure_modes::FAILURE_MODES;
use lu_qualify::kernels;
use lu_qualify::report::Report;
use lu_qualify::report::table;
use lu_qualify::runner;
use lu_qualify::scenario;
use lu_vm::Pair;
use lu_vm::places;

/// Does a live update work from one kernel to another? Runs scenarios between them in QEMU.
#[derive(Parser)]
#[command(name = "qualify", about)]
struct Options {
    /// The kernel that is booted: `rust`, `mainline` or the path of an image
    #[arg(long, default_value = "rust")]
    from: String,

    /// The kernel that is updated to
    #[arg(long, default_value = "rust")]
    to: String,

    /// All pairs of this repository's kernel and mainline's instead
    #[arg(long, conflicts_with_all = ["from", "to"])]
    matrix: bool,

    /// Only scenarios that take less than a minute or so
    #[arg(long)]
    quick: bool,

    /// Which random choices to make; any, if it is missing
    #[arg(long, value_parser = runner::seed_from)]
    seed: Option<u64>,

    /// Where to write report.html, report.json and report.ktap
    #[arg(long, default_value = "qualify-report")]
    out: PathBuf,

    /// Show what scenarios there are, and run none
    #[arg(long)]
    list: bool,

    /// Only scenarios with one of these in their names
    scenarios: Vec<String>,
}

fn main() -> ExitCode {
    match qualify(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is well.
fn qualify(options: &Options) -> Result<bool> {
    let mut scenarios = scenario::named(&options.scenarios)?;
    if options.quick {
        scenarios.retain(|scenario| scenario.effort != Effort::Long);
    }
    ensure!(!scenarios.is_empty(), "there is no such scenario");
    if options.list {
        list(&scenarios);
        return Ok(true);
    }
    let pairs = pairs(options);
    let seed = options.seed.unwrap_or_else(runner::any_seed);
    println!("All random choices come from SEED={seed:#x}");
    let jobs = runner::jobs(&scenarios, &pairs);
    let mut report = Report::new(jobs.len(), seed);
    // Before all and after each, so that one that is interrupted leaves a report as well, and none of
    // another run.
    report.write(&options.out)?;
    let known = runner::look_at(&pairs)?;
    report.knows(known.clone());
    runner::run(jobs, &known, seed, places::jobs()?, |number, record| {
        report.add(number, record);
        report.write(&options.out)
    })?;
    conclude(&report, options);
    Ok(report.is_good())
}

fn pairs(options: &Options) -> Vec<Pair> {
    if !options.matrix {
        return vec![kernels::pair(&options.from, &options.to)];
    }
    let names = ["rust", "mainline"];
    let all = names.iter().flat_map(|from| names.map(|to| (*from, to)));
    all.map(|(from, to)| kernels::pair(from, to)).collect()
}

fn conclude(report: &Report, options: &Options) {
    println!("\n{}", table(report));
    println!(
        "The report is {}.\n{} passed, {} failed, {} failed as known, {} not applicable",
        options.out.join("report.html").display(),
        report.count("pass"),
        report.count("FAIL"),
        report.count("known failure"),
        report.count("n/a"),
    );
    if !report.has_run_something() {
        println!("Nothing was qualified: no scenario is applicable to these kernels.");
    }
}

fn list(scenarios: &[&scenario::Scenario]) {
    for scenario in scenarios {
        println!("{}\n    {}.", scenario.name, scenario.about);
        for id in scenario.covers {
            let mode = FAILURE_MODES.iter().find(|mode| mode.id == *id);
            println!("    {id}: {}.", mode.map_or("", |mode| mode.about));
        }
    }
}
