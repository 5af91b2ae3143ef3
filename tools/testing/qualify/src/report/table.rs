// SPDX-License-Identifier: GPL-2.0

//! The report as a table for a terminal.

use std::fmt::Write;

use super::Report;

/// Columns of a verdict.
const COLUMN: usize = 24;

/// A line for each scenario, a column for each place.
pub fn table(report: &Report) -> String {
    let places: Vec<&str> = report.by_place().iter().map(|(place, _)| *place).collect();
    let scenarios = report.by_scenario();
    let name_width = scenarios.keys().map(|name| name.len()).max().unwrap_or(0);
    let mut text = format!("{:name_width$}", "");
    for place in &places {
        // Writing to a string does not fail.
        let _ = write!(text, "  {place:COLUMN$}");
    }
    text = text.trim_end().to_owned() + "\n";
    for (name, records) in scenarios {
        let mut line = format!("{name:name_width$}");
        for place in &places {
            let record = records.iter().find(|record| record.place == *place);
            let cell = record.map_or_else(String::new, |record| record.summary());
            let _ = write!(line, "  {cell:COLUMN$}");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
