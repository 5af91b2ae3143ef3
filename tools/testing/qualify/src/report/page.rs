// SPDX-License-Identifier: GPL-2.0

//! The report as a page to read.

use maud::DOCTYPE;
use maud::Markup;
use maud::html;

use crate::failure_modes::FAILURE_MODES;
use crate::failure_modes::FailureMode;
use crate::outcome::Outcome;
use crate::outcome::Record;

use super::Report;

const STYLE: &str = "
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3em .6em; border-bottom: 1px solid #ddd }
pre { background: #f6f6f6; padding: .8em; overflow-x: auto; font-size: 12px }
code { font-size: 90% }
.pass { color: #17692c } .FAIL { color: #b3261e; font-weight: bold }
.known { color: #8a5a00 } .na { color: #777 }
";

/// One self-contained page of HTML.
pub(super) fn render(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Live update: qualification" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "Live update: qualification" }
                (summary(report))
                (kernels(report))
                @let better = report.better_here();
                @if !better.is_empty() {
                    h2 { "Fails with another implementation, passes with this one" }
                    ul { @for name in better { li { a href={ "#" (name) } { code { (name) } } } } }
                }
                h2 { "Scenarios" }
                (overview(report))
                h2 { "Known ways to go wrong" }
                (failure_modes(report))
                h2 { "Details" }
                @for record in report.records() { (details(record)) }
            }
        }
    };
    page.into_string()
}

fn summary(report: &Report) -> Markup {
    html! {
        @if let Some(remark) = report.remark() { p.known { (remark) "." } }
        p {
            @if report.is_good() { b.pass { "PASSED" } }
            @else if report.remark().is_some() { b.known { "NOT COMPLETE" } }
            @else { b.FAIL { "FAILED" } }
            ": " (report.count("pass")) " passed, " (report.count("FAIL")) " failed, "
            (report.count("known failure")) " failed as other implementations are known to, "
            (report.count("n/a")) " not applicable. "
            "The same random choices: " code { "SEED=" (format!("{:#x}", report.seed)) } "."
        }
    }
}

fn kernels(report: &Report) -> Markup {
    html! {
        table {
            tr { th { "Kernel" } th { "Release" } th { "Has" } }
            @for (name, facts) in &report.known {
                tr {
                    td { (name) }
                    td { (facts.release()) }
                    td { (facts.present().map(|fact| fact.name()).collect::<Vec<_>>().join(", ")) }
                }
            }
        }
    }
}

fn class(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "pass",
        Outcome::Failed { .. } => "FAIL",
        Outcome::FailedAsKnown { .. } => "known",
        Outcome::NotApplicable { .. } => "na",
    }
}

fn overview(report: &Report) -> Markup {
    let places: Vec<&str> = report.by_place().iter().map(|(place, _)| *place).collect();
    html! {
        table {
            tr {
                th { "Scenario" }
                @for place in &places { th { (place.replace('_', " ")) } }
            }
            @for (name, records) in report.by_scenario() {
                tr id=(name) {
                    td { @if let Some(record) = records.first() { (record.scenario.about) } br; code { (name) } }
                    @for place in &places {
                        td {
                            @for record in records.iter().filter(|record| record.place == *place) {
                                a class=(class(&record.outcome)) href={ "#" (anchor(record)) } {
                                    (record.summary())
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn failure_modes(report: &Report) -> Markup {
    html! {
        p { "Those with a star stand in mainline 7.3.4 as far as reading tells." }
        table {
            tr { th { "" } th { "What was wrong" } th { "Scenarios" } }
            @for mode in FAILURE_MODES {
                tr {
                    td { (mode.id) @if mode.stands_in_mainline { "*" } }
                    td { (mode.about) }
                    td { (looked_for(report, mode)) }
                }
            }
        }
    }
}

/// The scenarios for a failure mode, and what came of each.
fn looked_for(report: &Report, mode: &FailureMode) -> Markup {
    let covers = |record: &&Record| record.scenario.covers.contains(&mode.id);
    let records: Vec<&Record> = report.records().filter(covers).collect();
    html! {
        @match mode.elsewhere {
            Some(why) => (why),
            None if records.is_empty() => "not run",
            None => {}
        }
        @for record in records {
            a class=(class(&record.outcome)) href={ "#" (anchor(record)) } {
                code { (record.scenario.name) "::" (record.place) } ": " (record.outcome.word())
            }
            br;
        }
    }
}

fn anchor(record: &Record) -> String {
    format!("{}-{}", record.scenario.name, record.place)
}

fn details(record: &Record) -> Markup {
    html! {
        h3 id=(anchor(record)) {
            span class=(class(&record.outcome)) { (record.summary()) } " "
            code { (record.scenario.name) "::" (record.place) }
        }
        p {
            (record.scenario.about) ". " (format!("{:.1} s", record.took.as_secs_f64()))
            ", with lu_seed=" (format!("{:#x}", record.seed)) "."
        }
        @for note in &record.notes { p { (note) } }
        @match &record.outcome {
            Outcome::Passed => {}
            Outcome::NotApplicable { why } => p { "Not applicable: " (why) "." },
            Outcome::Failed { why } => pre { (why) },
            Outcome::FailedAsKnown { known, why } => {
                p { "Known: " (known) "." }
                pre { (why) }
            }
        }
    }
}
