// SPDX-License-Identifier: GPL-2.0

//! What the screen shows, and how a verdict is reached.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;

/// Says what begins, and when.
pub fn step(clock: Instant, text: &str) {
    println!("[{:6.1} s] {text}", clock.elapsed().as_secs_f64());
}

/// Shows a line of the table at the end.
pub fn row(name: &str, value: &str) {
    println!("  {name:<16} {value}");
}

/// How long things took.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// In calls that made sessions and preserved files, by the guest's clock.
    pub preserve: Duration,
    /// From the line before the reboot call to the first line of userspace, by the host's.
    pub blackout: Duration,
    /// In calls that took sessions and retrieved files, by the guest's.
    pub retrieve: Duration,
}

impl Times {
    /// Shows them, and what they are worth.
    pub fn show(&self) {
        row("preserve", &millis(self.preserve));
        row(
            "blackout",
            &format!(
                "{} from the reboot call to the first line of userspace",
                millis(self.blackout)
            ),
        );
        row("retrieve", &millis(self.retrieve));
        for line in [
            "The processor is emulated. Blackout is by the host's clock, at the lines on",
            "the serial console; the others are by the guest's, and count calls into the",
            "kernel only: making or taking sessions, preserving or retrieving files.",
        ] {
            row("", line);
        }
    }
}

/// Everything that does not agree.
#[derive(Debug, Default)]
pub struct Differences(Vec<String>);

impl Differences {
    /// Compares two values that must be equal.
    pub fn equal<T: PartialEq + Display>(&mut self, what: &str, found: T, wanted: T) {
        if found != wanted {
            self.add(format!("{what}: {found}, expected {wanted}"));
        }
    }

    /// Something that must hold, or else `text`.
    pub fn holds(&mut self, condition: bool, text: &str) {
        if !condition {
            self.add(text.to_owned());
        }
    }

    /// Notes a difference.
    pub fn add(&mut self, text: String) {
        self.0.push(text);
    }

    /// Fails if there are any, and says where the console's log is.
    ///
    /// # Errors
    ///
    /// All differences.
    pub fn verdict(self, log: &Path) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        bail!(
            "{}\nconsole log: {}",
            self.0.join("\n        "),
            log.display()
        )
    }
}

/// For tests of a verdict on a good outcome: which of the ways to spoil it does not matter to `judge`?
///
/// # Panics
///
/// The outcome is not good to begin with.
pub fn first_missed<T: Clone>(
    good: &T,
    spoil: &[fn(&mut T)],
    judge: impl Fn(&T) -> Result<()>,
) -> Option<usize> {
    judge(good).expect("nothing is spoiled yet");
    spoil.iter().position(|spoil| {
        let mut bad = good.clone();
        spoil(&mut bad);
        judge(&bad).is_ok()
    })
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// A number with commas.
#[must_use]
pub fn thousands(number: u64) -> String {
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
    use super::*;

    #[test]
    fn one_difference_is_enough_to_fail() {
        let log = Path::new("console.log");
        let mut differences = Differences::default();
        differences.equal("files", 3, 3);
        differences.holds(true, "never said");
        assert!(differences.0.is_empty());
        differences.equal("bytes", 30, 31);
        let error = differences.verdict(log).unwrap_err().to_string();
        assert_eq!(error, "bytes: 30, expected 31\nconsole log: console.log");
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
