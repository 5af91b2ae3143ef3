// SPDX-License-Identifier: GPL-2.0

//! The kernel's Test Anything Protocol, as kselftest programs print it.

use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

/// How one test went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `ok`
    Passed,
    /// `not ok`
    Failed,
    /// `ok ... # SKIP`
    Skipped,
}

/// What one program reported.
#[derive(Debug, Default)]
pub struct Ktap {
    /// The number of tests it set out to run.
    pub plan: Option<usize>,
    /// Each test's name and outcome, in order.
    pub results: Vec<(String, Outcome)>,
}

impl Ktap {
    /// Picks the report out of a console. Kernel messages between its lines do no harm.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut ktap = Self::default();
        for line in lines {
            let line = without_timestamp(line);
            if let Some(plan) = plan(line) {
                ktap.plan = Some(plan);
            } else if let Some(result) = result(line) {
                ktap.results.push(result);
            }
        }
        ktap
    }

    /// The names of those that failed.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        let failed = self
            .results
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Failed);
        failed.map(|(name, _)| name.as_str())
    }

    /// All tests of the plan ran and passed, none was skipped, and there are `count` of them.
    pub fn require_all_passed(&self, count: usize) -> Result<()> {
        let Some(plan) = self.plan else {
            bail!("no KTAP plan (\"1..N\") on the console: the program did not start");
        };
        let bad: Vec<String> = self
            .results
            .iter()
            .filter(|(_, outcome)| *outcome != Outcome::Passed)
            .map(|(name, outcome)| format!("{name}: {outcome:?}"))
            .collect();
        ensure!(
            bad.is_empty(),
            "{} of {plan} tests did not pass: {}",
            bad.len(),
            bad.join(", ")
        );
        ensure!(
            self.results.len() == plan,
            "{plan} tests were planned, {} reported: the program did not come to its end",
            self.results.len()
        );
        ensure!(
            plan == count,
            "the program has {plan} tests, {count} are expected"
        );
        Ok(())
    }
}

/// A line without the time that printk puts in front, `[    1.234567] `.
fn without_timestamp(line: &str) -> &str {
    let line = line.trim();
    line.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .filter(|(time, _)| time.trim().parse::<f64>().is_ok())
        .map_or(line, |(_, rest)| rest.trim_start())
}

fn plan(line: &str) -> Option<usize> {
    line.strip_prefix("1..")?.trim().parse().ok()
}

fn result(line: &str) -> Option<(String, Outcome)> {
    let (passed, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let (number, rest) = rest.split_once(' ')?;
    number.parse::<usize>().ok()?;
    let (name, directive) = rest.split_once('#').unwrap_or((rest, ""));
    let skipped = directive.trim_start().starts_with("SKIP");
    let outcome = match (passed, skipped) {
        (_, true) => Outcome::Skipped,
        (true, false) => Outcome::Passed,
        (false, false) => Outcome::Failed,
    };
    Some((name.trim().to_owned(), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[&str] = &[
        "[    1.000000] TAP version 13",
        "[    1.000000] 1..2",
        "[    1.000000] # Starting 2 tests from 1 test cases.",
        "[    1.000000] ok 1 liveupdate_device.basic_open_close",
        "[    1.000000] luo_flb test: preserve was triggered",
        "ok 2 liveupdate_device.exclusive_open",
        "[    1.000000] # Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0",
    ];

    #[test]
    fn a_good_report_passes() {
        let ktap = Ktap::parse(GOOD.iter().copied());
        assert_eq!(ktap.results.len(), 2);
        ktap.require_all_passed(2).unwrap();
    }

    #[test]
    fn too_few_too_many_failed_skipped_and_none_are_all_refused() {
        let error = |lines: &[&str], count| {
            Ktap::parse(lines.iter().copied())
                .require_all_passed(count)
                .unwrap_err()
                .to_string()
        };
        assert!(error(GOOD, 3).contains("3 are expected"));
        assert!(error(&GOOD[..5], 2).contains("1 reported"));
        assert!(error(&[], 2).contains("did not start"));
        assert!(error(&["1..1", "not ok 1 foo"], 1).contains("foo: Failed"));
        assert!(error(&["1..1", "ok 1 foo # SKIP no device"], 1).contains("foo: Skipped"));
    }

    #[test]
    fn a_bracket_that_is_no_time_stays() {
        assert_eq!(without_timestamp("[STAGE 1] ok"), "[STAGE 1] ok");
        assert_eq!(without_timestamp("[   12.5] ok 1 x"), "ok 1 x");
    }
}
