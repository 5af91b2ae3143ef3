// SPDX-License-Identifier: GPL-2.0

//! What came of a scenario.

use std::fmt;
use std::time::Duration;

use lu_vm::Pair;
use serde::Serialize;

use crate::scenario::Scenario;

/// A scenario finds out that it cannot be run between these kernels.
#[derive(Debug)]
pub struct NotApplicable(pub &'static str);

impl fmt::Display for NotApplicable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotApplicable {}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Outcome {
    /// What must hold holds.
    Passed,
    /// It does not.
    Failed {
        /// What was wrong, with the end of the console.
        why: String,
    },
    /// It does not, and that of this implementation is known.
    FailedAsKnown {
        /// What is known.
        known: String,
        /// What was wrong, with the end of the console.
        why: String,
    },
    /// A kernel lacks what it takes.
    NotApplicable {
        /// What that is.
        why: String,
    },
}

impl Outcome {
    /// One word for tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::Failed { .. } => "FAIL",
            Self::FailedAsKnown { .. } => "known failure",
            Self::NotApplicable { .. } => "n/a",
        }
    }
}

/// How many of several tries a scenario's kernels came through. What did not come to the try does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Survivals {
    /// All is well after so many of them.
    pub survived: usize,
    /// How many there were.
    pub tried: usize,
}

impl fmt::Display for Survivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.survived, self.tried)
    }
}

/// One run and what came of it.
pub struct Record {
    /// Which scenario.
    pub scenario: &'static Scenario,
    /// `rust_to_mainline`, or `on_rust`.
    pub place: String,
    /// The kernels themselves.
    pub kernels: Pair,
    /// What its random choices came from.
    pub seed: u64,
    /// How it went.
    pub outcome: Outcome,
    /// How many tries were survived, if it counts that.
    pub survivals: Option<Survivals>,
    /// What it had to say besides.
    pub notes: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Record {
    /// A few words for tables: how it went, and how many tries were survived.
    pub fn summary(&self) -> String {
        let word = self.outcome.word();
        match self.survivals {
            Some(count) => format!("{word} {count}"),
            None => word.to_owned(),
        }
    }
}
