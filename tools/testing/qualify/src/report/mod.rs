// SPDX-License-Identifier: GPL-2.0

//! What came of all scenarios, for machines and for people.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;

use crate::outcome::Outcome;
use crate::outcome::Record;
use crate::runner::Known;

mod json;
mod ktap;
mod page;
mod table;

pub use table::table;

/// All that there is to report.
pub struct Report {
    /// What was run, by its number in the plan.
    records: BTreeMap<usize, Record>,
    /// How many there are in the plan.
    planned: usize,
    /// What is known of the kernels.
    known: Known,
    /// What all random choices came from.
    seed: u64,
}

impl Report {
    /// A report of so many runs, none of which is done.
    pub fn new(planned: usize, seed: u64) -> Self {
        Self {
            records: BTreeMap::new(),
            planned,
            known: Known::new(),
            seed,
        }
    }

    /// Adds what is known of the kernels.
    pub fn knows(&mut self, known: Known) {
        self.known = known;
    }

    /// Adds what came of the run with this number in the plan.
    pub fn add(&mut self, number: usize, record: Record) {
        self.records.insert(number, record);
    }

    /// What was run, in the order in which it was planned.
    fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Says that it is not complete, if so.
    fn remark(&self) -> Option<String> {
        let done = self.records.len();
        (done < self.planned).then(|| {
            format!(
                "{done} of {} runs are done: this is not the whole report",
                self.planned
            )
        })
    }

    /// Writes `report.ktap`, `report.json` and `report.html` into `dir`.
    pub fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let files = [
            ("report.ktap", ktap::render(self)),
            ("report.json", json::render(self)?),
            ("report.html", page::render(self)),
        ];
        for (name, text) in files {
            let path = dir.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// How many runs ended so.
    pub fn count(&self, word: &str) -> usize {
        let fits = |record: &&Record| record.outcome.word() == word;
        self.records().filter(fits).count()
    }

    /// Whether any scenario was applicable.
    pub fn has_run_something(&self) -> bool {
        self.records.len() > self.count("n/a")
    }

    /// Whether all is done, and nothing failed that was not known to.
    pub fn is_good(&self) -> bool {
        self.remark().is_none() && self.failed().next().is_none() && self.has_run_something()
    }

    fn failed(&self) -> impl Iterator<Item = &Record> {
        let failed = |record: &&Record| matches!(record.outcome, Outcome::Failed { .. });
        self.records().filter(failed)
    }

    /// The places, in the order in which they were first come to, each with its runs.
    fn by_place(&self) -> Vec<(&str, Vec<&Record>)> {
        let mut places: Vec<(&str, Vec<&Record>)> = Vec::new();
        for record in self.records() {
            match places.iter_mut().find(|(place, _)| *place == record.place) {
                Some((_, records)) => records.push(record),
                None => places.push((&record.place, vec![record])),
            }
        }
        places
    }

    /// Each scenario that was run, by name, with its runs.
    fn by_scenario(&self) -> BTreeMap<&'static str, Vec<&Record>> {
        let mut scenarios: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in self.records() {
            scenarios
                .entry(record.scenario.name)
                .or_default()
                .push(record);
        }
        scenarios
    }

    /// Scenarios that this repository passes in some place and another implementation fails.
    fn better_here(&self) -> Vec<&'static str> {
        let ours = |record: &Record| {
            let facts = [&record.kernels.before, &record.kernels.after]
                .map(|kernel| self.known.get(&kernel.to_string()));
            facts
                .into_iter()
                .all(|facts| facts.is_some_and(|facts| facts.is_ours()))
        };
        let better = |records: &[&Record]| {
            let passed = |record: &&&Record| record.outcome == Outcome::Passed && ours(record);
            let failed = |record: &&&Record| {
                matches!(
                    record.outcome,
                    Outcome::Failed { .. } | Outcome::FailedAsKnown { .. }
                ) && !ours(record)
            };
            records.iter().any(|record| passed(&record))
                && records.iter().any(|record| failed(&record))
        };
        let scenarios = self.by_scenario();
        let names = scenarios.iter().filter(|(_, records)| better(records));
        names.map(|(name, _)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::facts::Fact;
    use crate::facts::Facts;
    use crate::kernels::pair;
    use crate::outcome::Survivals;
    use crate::scenario::Scenario;

    static ONE: Scenario =
        Scenario::update("one_thing_holds", "One thing <holds>", |_| Ok(())).covers(&["kho-10"]);

    fn record(from: &str, to: &str, outcome: Outcome) -> Record {
        let kernels = pair(from, to);
        Record {
            scenario: &ONE,
            place: kernels.to_string(),
            kernels,
            seed: 7,
            outcome,
            survivals: None,
            notes: vec!["a note".to_owned()],
            took: Duration::from_millis(1500),
        }
    }

    fn report() -> Report {
        let known = || Outcome::FailedAsKnown {
            known: "it is known".to_owned(),
            why: "panic\n& <end>".to_owned(),
        };
        let skipped = Outcome::NotApplicable {
            why: "no swap".to_owned(),
        };
        let failed = Outcome::Failed {
            why: "first line\nsecond line".to_owned(),
        };
        let facts = [
            ("rust".to_owned(), Facts::with(&[Fact::Ours])),
            ("mainline".to_owned(), Facts::with(&[])),
        ];
        let mut report = Report::new(4, 42);
        report.knows(facts.into());
        // They need not end in the order in which they begin.
        report.add(3, record("mainline", "rust", failed));
        report.add(0, record("rust", "rust", Outcome::Passed));
        report.add(2, record("rust", "mainline", skipped));
        report.add(1, record("mainline", "mainline", known()));
        report
    }

    #[test]
    fn one_failure_is_enough() {
        let report = report();
        assert!(!report.is_good());
        assert_eq!(report.remark(), None);
    }

    #[test]
    fn a_report_is_good_only_if_it_is_complete_and_something_was_run() {
        let mut report = Report::new(2, 42);
        assert!(!report.is_good());
        report.add(0, record("rust", "rust", Outcome::Passed));
        assert!(!report.is_good());
        assert!(report.remark().is_some_and(|text| text.contains("1 of 2")));
        assert!(ktap::render(&report).contains("Bail out!"));
        let nothing = || Outcome::NotApplicable {
            why: "no swap".to_owned(),
        };
        report.add(1, record("rust", "mainline", nothing()));
        assert!(report.is_good());
        let mut report = Report::new(1, 42);
        report.add(0, record("rust", "rust", nothing()));
        assert!(!report.is_good());
    }

    #[test]
    fn where_another_implementation_fails_is_said() {
        assert_eq!(report().better_here(), ["one_thing_holds"]);
    }

    #[test]
    fn ktap_tells_the_four_verdicts_apart() {
        let text = ktap::render(&report());
        for line in [
            "KTAP version 1",
            "1..4",
            "    ok 1 one_thing_holds # 1.5 s",
            "    ok 1 one_thing_holds # XFAIL it is known",
            "    ok 1 one_thing_holds # SKIP no swap",
            "    not ok 1 one_thing_holds",
            "    # second line",
            "ok 1 rust_to_rust",
            "not ok 4 mainline_to_rust",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line:?} is not in\n{text}"
            );
        }
    }

    #[test]
    fn json_has_all_of_it() -> Result<()> {
        let value: serde_json::Value = serde_json::from_str(&json::render(&report())?)?;
        assert_eq!(value["seed"], "0x2a");
        let runs = &value["runs"];
        assert_eq!(runs.as_array().map(Vec::len), Some(4));
        assert_eq!(runs[0]["verdict"], "passed");
        assert_eq!(runs[1]["known"], "it is known");
        assert_eq!(runs[3]["why"], "first line\nsecond line");
        Ok(())
    }

    #[test]
    fn the_page_shows_what_a_console_said_and_runs_none_of_it() {
        let page = page::render(&report());
        assert!(page.contains("&amp; &lt;end&gt;"), "{page}");
        assert!(page.contains("One thing &lt;holds&gt;"), "{page}");
        assert!(!page.contains("<end>"), "{page}");
    }

    #[test]
    fn every_form_of_the_report_counts_survivals() -> Result<()> {
        let mut report = report();
        let mut counted = record("rust", "rust", Outcome::Passed);
        counted.survivals = Some(Survivals {
            survived: 39,
            tried: 40,
        });
        report.add(0, counted);
        assert!(table(&report).contains("pass 39 of 40"));
        assert!(page::render(&report).contains("pass 39 of 40"));
        assert!(ktap::render(&report).contains("    # survived 39 of 40\n"));
        let value: serde_json::Value = serde_json::from_str(&json::render(&report)?)?;
        assert_eq!(value["runs"][0]["survivals"]["tried"], 40);
        assert_eq!(value["runs"][1].get("survivals"), None);
        Ok(())
    }

    #[test]
    fn the_table_has_a_column_for_each_place() {
        let table = table(&report());
        assert!(table.contains("one_thing_holds"), "{table}");
        for place in ["rust_to_rust", "mainline_to_rust"] {
            assert!(table.contains(place), "{table}");
        }
    }
}
