// SPDX-License-Identifier: GPL-2.0

//! The report as JSON.

use anyhow::Result;
use serde::Serialize;

use crate::outcome::Outcome;
use crate::outcome::Survivals;

use super::Report;

#[derive(Serialize)]
struct Document<'a> {
    /// Hexadecimal: numbers beyond 2^53 are not safe in JSON.
    seed: String,
    /// As many runs as there are in the end.
    planned: usize,
    kernels: Vec<Kernel<'a>>,
    runs: Vec<Run<'a>>,
    fails_elsewhere_only: Vec<&'static str>,
}

#[derive(Serialize)]
struct Kernel<'a> {
    name: &'a str,
    release: &'a str,
    has: Vec<&'static str>,
}

#[derive(Serialize)]
struct Run<'a> {
    scenario: &'static str,
    about: &'static str,
    covers: &'static [&'static str],
    place: &'a str,
    /// What the scenario made of the seed of all.
    lu_seed: String,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    survivals: Option<Survivals>,
    notes: &'a [String],
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// The report as one JSON object.
pub(super) fn render(report: &Report) -> Result<String> {
    let kernels = report.known.iter().map(|(name, facts)| Kernel {
        name,
        release: facts.release(),
        has: facts.present().map(|fact| fact.name()).collect(),
    });
    let runs = report.records().map(|record| Run {
        scenario: record.scenario.name,
        about: record.scenario.about,
        covers: record.scenario.covers,
        place: &record.place,
        lu_seed: format!("{:#x}", record.seed),
        seconds: record.took.as_secs_f64(),
        survivals: record.survivals,
        notes: &record.notes,
        outcome: &record.outcome,
    });
    let document = Document {
        seed: format!("{:#x}", report.seed),
        planned: report.planned,
        kernels: kernels.collect(),
        runs: runs.collect(),
        fails_elsewhere_only: report.better_here(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
