// SPDX-License-Identifier: GPL-2.0

//! KTAP: a subtest for each place, a case in it for each scenario.

use std::fmt::Write;

use crate::outcome::Outcome;
use crate::outcome::Record;

use super::Report;

/// The report as KTAP, version 1.
pub(super) fn render(report: &Report) -> String {
    let places = report.by_place();
    let mut text = format!(
        "KTAP version 1\n# seed {:#x}\n1..{}\n",
        report.seed,
        places.len()
    );
    for (number, (place, records)) in (1..).zip(&places) {
        let failed = |record: &&Record| matches!(record.outcome, Outcome::Failed { .. });
        let verdict = if records.iter().any(failed) {
            "not ok"
        } else {
            "ok"
        };
        text += "    KTAP version 1\n";
        // Writing to a string does not fail.
        let _ = writeln!(text, "    # Subtest: {place}\n    1..{}", records.len());
        for (number, record) in (1..).zip(records) {
            text += &case(number, record);
        }
        let _ = writeln!(text, "{verdict} {number} {place}");
    }
    if let Some(remark) = report.remark() {
        let _ = writeln!(text, "Bail out! {remark}");
    }
    text
}

/// One case, and before it what it has to say.
fn case(number: usize, record: &Record) -> String {
    let name = record.scenario.name;
    let seconds = record.took.as_secs_f64();
    let (verdict, directive, why) = match &record.outcome {
        Outcome::Passed => ("ok", format!(" # {seconds:.1} s"), ""),
        Outcome::Failed { why } => ("not ok", String::new(), why.as_str()),
        // As kselftest.h writes it: other readers know of no XFAIL, and take "not ok" for a failure.
        Outcome::FailedAsKnown { known, why } => ("ok", format!(" # XFAIL {known}"), why.as_str()),
        Outcome::NotApplicable { why } => ("ok", format!(" # SKIP {why}"), ""),
    };
    let notes = record.notes.iter().map(String::as_str);
    let survivals = record.survivals.map(|count| format!("survived {count}"));
    let mut text: String = survivals
        .as_deref()
        .into_iter()
        .chain(notes)
        .chain(why.lines())
        .map(|line| format!("    # {line}\n"))
        .collect();
    let _ = writeln!(text, "    {verdict} {number} {name}{directive}");
    text
}
