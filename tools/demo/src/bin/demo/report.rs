// SPDX-License-Identifier: GPL-2.0

//! What the screen shows, and the verdict.

use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;

use crate::corpus::Expected;
use crate::follow::Outcome;

/// Says what begins, and when.
pub(crate) fn step(clock: Instant, text: &str) {
    println!("[{:6.1} s] {text}", clock.elapsed().as_secs_f64());
}

/// Shows what came of it.
pub(crate) fn show(outcome: &Outcome, expected: &Expected, big_mib: u32) {
    let Outcome {
        preserved,
        retrieved,
        ..
    } = outcome;
    let row = |name: &str, value: &str| println!("  {name:<16} {value}");
    println!();
    row("from kernel", &outcome.from);
    row("to kernel", &outcome.to);
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
    let bytes = |count| thousands(count);
    row(
        "bytes",
        &format!(
            "{} preserved, {} retrieved",
            bytes(preserved.bytes),
            bytes(outcome.after.bytes)
        ),
    );
    println!("  SHA-256 of all data");
    row("  on the host", &expected.sha256);
    row("  before", &outcome.before);
    row("  after", &outcome.after.sha256);
    row("preserve", &millis(preserved.time));
    row(
        "blackout",
        &format!(
            "{} from the reboot call to the first line of userspace",
            millis(outcome.blackout)
        ),
    );
    row("retrieve", &millis(retrieved.time));
    row(
        "",
        "The processor is emulated. Blackout is by the host's clock, at the lines on",
    );
    row(
        "",
        "the serial console; the others are by the guest's, and count calls into the",
    );
    row(
        "",
        "kernel only: making or taking sessions, preserving or retrieving files.",
    );
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
    let mut wrong = Vec::new();
    let mut equal = |what: &str, found: u64, wanted: u64| {
        if found != wanted {
            wrong.push(format!("{what}: {found}, expected {wanted}"));
        }
    };
    equal("sessions preserved", preserved.sessions, expected.sessions);
    equal("sessions retrieved", retrieved.sessions, expected.sessions);
    equal("files preserved", preserved.files, expected.files);
    equal("files retrieved", retrieved.files, expected.files);
    equal("bytes preserved", preserved.bytes, expected.bytes);
    equal("bytes retrieved", after.bytes, expected.bytes);
    equal("files that changed on the way", after.damaged, 0);
    if let Some(path) = &after.example {
        wrong.push(format!("a file that changed: {path}"));
    }
    if retrieved.moved == 0 {
        wrong.push("the files were retrieved in the order in which they were preserved".into());
    }
    if outcome.before != expected.sha256 {
        wrong.push("the data was not what the host packed before it was preserved".into());
    }
    if after.sha256 != outcome.before {
        wrong.push("SHA-256 of all data is not what it was before".into());
    }
    if outcome.from_by_index != outcome.from {
        wrong.push(format!(
            "the second kernel got the data of {}, not of {}",
            outcome.from_by_index, outcome.from
        ));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\nconsole log: {}",
        wrong.join("\n        "),
        outcome.log.display()
    )
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
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
            to: "7.3.4-b".into(),
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
            blackout: time,
            log: "console.log".into(),
        };
        (outcome, expected)
    }

    #[test]
    fn each_difference_fails_by_itself() {
        let (outcome, expected) = good();
        judge(&outcome, &expected).unwrap();
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
        for (number, spoil) in spoil.iter().enumerate() {
            let mut bad = outcome.clone();
            spoil(&mut bad);
            assert!(
                judge(&bad, &expected).is_err(),
                "difference {number} was missed"
            );
        }
    }

    #[test]
    fn numbers_are_readable() {
        let table = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (268_435_456, "268,435,456"),
        ];
        for (number, text) in table {
            assert_eq!(thousands(number), text);
        }
    }
}
