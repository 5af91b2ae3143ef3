// SPDX-License-Identifier: GPL-2.0

//! Figures for programs.

use std::process::Command;

use lu_bench::work::Work;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::cli::Cli;
use crate::cli::Variant;
use crate::phase::Phase;
use crate::results::Case;
use crate::results::Results;
use crate::verdict;
use crate::verdict::TARGETS;

/// Everything that was measured, and what it was measured with.
pub(crate) fn report(cli: &Cli, results: &Results) -> Value {
    let cases: Vec<Value> = results
        .works()
        .into_iter()
        .map(|work| case(results, work, &cli.variants()))
        .collect();
    let targets: Vec<Value> = TARGETS
        .iter()
        .map(|target| {
            let judged = Variant::OURS
                .into_iter()
                .filter(|&variant| target.judges(variant));
            let formats: Map<String, Value> = judged
                .map(|variant| {
                    let measured = target.measure(results, variant);
                    let verdict = target.verdict(measured);
                    let value = json!({ "measured": measured, "verdict": verdict });
                    (variant.format().to_owned(), value)
                })
                .collect();
            json!({ "what": target.what, "limit": target.limit, "formats": formats })
        })
        .collect();
    let excesses = verdict::all_excesses(results);
    let excesses: Vec<String> = excesses.iter().map(ToString::to_string).collect();
    let kernels: Map<String, Value> = cli
        .variants()
        .into_iter()
        .map(|variant| (variant.name().to_owned(), json!(results.releases(variant))))
        .collect();
    json!({
        "commit": said("git", &["describe", "--always", "--dirty", "--abbrev=40"]),
        "qemu": said("qemu-system-x86_64", &["--version"]),
        "kernels": kernels,
        "seed": cli.seed,
        "cases": cases,
        "targets": targets,
        "above_mainline": excesses,
    })
}

fn case(results: &Results, work: Work, variants: &[Variant]) -> Value {
    let measured = |wall: bool| -> Map<String, Value> {
        variants
            .iter()
            .map(|&variant| {
                let case = Case {
                    work,
                    variant,
                    wall,
                };
                (variant.name().to_owned(), phases(results, case))
            })
            .collect()
    };
    let mut value = json!({
        "title": work.to_string(),
        "work": work,
        "instructions": measured(false),
        "wall_ns": measured(true),
    });
    for &variant in variants {
        let name = variant.name();
        value["metadata_bytes"][name] = json!(results.metadata(Case::counted(work, variant)));
        value["jumps_between_blocks"][name] = json!(results.jumps(Case::counted(work, variant)));
        if let Some(excuse) = results.excuse(work, variant) {
            value["not_measured"][name] = json!(excuse);
        }
    }
    value
}

/// Of each phase what it took in all, and above the same with nothing preserved.
fn phases(results: &Results, case: Case) -> Value {
    let phases = Phase::ALL.into_iter().filter_map(|phase| {
        let total = results.total(case, phase)?;
        let name = phase.name().replace(' ', "_");
        Some((
            name,
            json!({ "total": total, "net": results.net(case, phase) }),
        ))
    });
    Value::Object(phases.collect())
}

/// The first line of what a program says, if it can be run.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}
