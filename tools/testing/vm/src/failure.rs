// SPDX-License-Identifier: GPL-2.0

//! How a failed test presents itself.

use std::fmt;

/// What a test function returns.
pub type TestResult = Result<(), Failure>;

/// Why a test failed, for people to read.
///
/// The test runner prints errors by their `Debug` form. For [`anyhow::Error`] that adds the backtrace of
/// the harness, which says nothing about the kernel and hides what does.
pub struct Failure(String);

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
