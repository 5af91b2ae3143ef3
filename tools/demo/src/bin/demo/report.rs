// SPDX-License-Identifier: GPL-2.0

//! What the screen shows, and the verdict.

use anyhow::Result;
use lu_demo::host::report::Differences;
use lu_demo::host::report::Times;
use lu_demo::host::report::row;
use lu_demo::host::report::thousands;

use crate::corpus::Expected;
use crate::follow::Outcome;

/// Shows what came of it.
pub(crate) fn show(outcome: &Outcome, expected: &Expected, big_mib: u32) {
    let Outcome {
        preserved,
        retrieved,
        ..
    } = outcome;
    println!();
    row("from kernel", &outcome.from);
    row("to kernel", &outcome.to.release);
    row(
        "sessions",
        &format!(
            "{} preserved, {} retrieved",
            preserved.sessions, retrieved.sessions
        ),
    );
    row(
        "files",
        &format!(
            "{} preserved (one of {big_mib} MiB), {} retrieved, {} of them out of order",
            preserved.files, retrieved.files, retrieved.moved
        ),
    );
    row(
        "bytes",
        &format!(
            "{} preserved, {} retrieved",
            thousands(preserved.bytes),
            thousands(outcome.after.bytes)
        ),
    );
    println!("  SHA-256 of all data");
    row("  on the host", &expected.sha256);
    row("  before", &outcome.before);
    row("  after", &outcome.after.sha256);
    Times {
        preserve: preserved.time,
        blackout: outcome.to.blackout,
        retrieve: retrieved.time,
    }
    .show();
    row("console log", &outcome.log.display().to_string());
}

/// Compares everything that has to agree.
pub(crate) fn judge(outcome: &Outcome, expected: &Expected) -> Result<()> {
    let Outcome {
        preserved,
        retrieved,
        after,
        ..
    } = outcome;
    let mut found = Differences::default();
    let mut equal = |what: &str, count: u64, wanted: u64| found.equal(what, count, wanted);
    equal("sessions preserved", preserved.sessions, expected.sessions);
    equal("sessions retrieved", retrieved.sessions, expected.sessions);
    equal("files preserved", preserved.files, expected.files);
    equal("files retrieved", retrieved.files, expected.files);
    equal("bytes preserved", preserved.bytes, expected.bytes);
    equal("bytes retrieved", after.bytes, expected.bytes);
    equal("files that changed on the way", after.damaged, 0);
    if let Some(path) = &after.example {
        found.add(format!("a file that changed: {path}"));
    }
    found.holds(
        retrieved.moved > 0,
        "the files were retrieved in the order in which they were preserved",
    );
    found.holds(
        outcome.before == expected.sha256,
        "the data was not what the host packed before it was preserved",
    );
    found.holds(
        after.sha256 == outcome.before,
        "SHA-256 of all data is not what it was before",
    );
    if outcome.from_by_index != outcome.from {
        found.add(format!(
            "the second kernel got the data of {}, not of {}",
            outcome.from_by_index, outcome.from
        ));
    }
    found.verdict(&outcome.log)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lu_demo::host::follow::Arrival;
    use lu_demo::host::report::first_missed;

    use crate::follow::After;
    use crate::follow::Preserved;
    use crate::follow::Retrieved;

    use super::*;

    fn good() -> (Outcome, Expected) {
        let expected = Expected {
            files: 3,
            bytes: 30,
            sha256: "ab".into(),
            sessions: 4,
        };
        let time = Duration::from_millis(1);
        let outcome = Outcome {
            from: "7.3.4-a".into(),
            to: Arrival {
                release: "7.3.4-b".into(),
                blackout: time,
            },
            from_by_index: "7.3.4-a".into(),
            preserved: Preserved {
                sessions: 4,
                files: 3,
                bytes: 30,
                time,
            },
            retrieved: Retrieved {
                sessions: 4,
                files: 3,
                moved: 2,
                time,
            },
            before: "ab".into(),
            after: After {
                sha256: "ab".into(),
                bytes: 30,
                damaged: 0,
                example: None,
            },
            log: "console.log".into(),
        };
        (outcome, expected)
    }

    #[test]
    fn each_difference_fails_by_itself() {
        let (outcome, expected) = good();
        let spoil: &[fn(&mut Outcome)] = &[
            |o| o.preserved.sessions -= 1,
            |o| o.retrieved.sessions -= 1,
            |o| o.preserved.files -= 1,
            |o| o.retrieved.files += 1,
            |o| o.preserved.bytes += 1,
            |o| o.after.bytes -= 1,
            |o| o.after.damaged = 1,
            |o| o.retrieved.moved = 0,
            |o| o.before = "cd".into(),
            |o| o.after.sha256 = "cd".into(),
            |o| o.from_by_index = "7.3.4-x".into(),
        ];
        let missed = first_missed(&outcome, spoil, |outcome| judge(outcome, &expected));
        assert_eq!(missed, None);
    }
}
