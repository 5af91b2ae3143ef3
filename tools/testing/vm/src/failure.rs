// SPDX-License-Identifier: GPL-2.0

//! How a failed test presents itself.

use std::fmt;
use std::fmt::Write;

use anyhow::Error;

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

/// A guest did what it must not, or not what it must. All other errors are the harness's.
#[derive(Debug)]
pub struct GuestFailure {
    text: String,
    late: bool,
    jumped: bool,
}

impl GuestFailure {
    /// Says what was wrong, with the console's end; `jumped` if the first kernel had started the next one.
    pub(crate) fn new(text: String, jumped: bool) -> Self {
        Self {
            text,
            late: false,
            jumped,
        }
    }

    /// The same of a guest that did not come to where it should be before its deadline.
    pub(crate) fn late(text: String, jumped: bool) -> Self {
        Self {
            late: true,
            ..Self::new(text, jumped)
        }
    }

    /// What is wrong with the results of live updates that were all done.
    pub fn of_results(text: impl Into<String>) -> Error {
        Self::new(text.into(), true).into()
    }

    /// Whether the first kernel had done its part.
    pub fn has_jumped(&self) -> bool {
        self.jumped
    }

    /// Whether it was only slow.
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// One error for many, each with a name, if there are any: a failure of guests only if all of them are.
    pub fn join(errors: &[(String, Error)]) -> Result<(), Error> {
        if errors.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for (name, error) in errors {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: {error:#}");
        }
        let guests: Option<Vec<&Self>> = errors
            .iter()
            .map(|(_, error)| error.downcast_ref())
            .collect();
        Err(match guests {
            Some(guests) => Self::new(text, guests.iter().all(|guest| guest.jumped)).into(),
            None => Error::msg(text),
        })
    }
}

impl fmt::Display for GuestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for GuestFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_are_of_guests_if_all_of_them_are() {
        let guest = |jumped| {
            (
                "one".to_owned(),
                GuestFailure::new("x".to_owned(), jumped).into(),
            )
        };
        let other = || ("two".to_owned(), Error::msg("no compiler"));
        let joined = |errors: &[(String, Error)]| -> Option<bool> {
            GuestFailure::join(errors)
                .unwrap_err()
                .downcast_ref()
                .map(GuestFailure::has_jumped)
        };
        assert!(GuestFailure::join(&[]).is_ok());
        assert_eq!(joined(&[guest(true), guest(true)]), Some(true));
        assert_eq!(joined(&[guest(true), guest(false)]), Some(false));
        assert_eq!(joined(&[guest(true), other()]), None);
        let text = GuestFailure::join(&[guest(true), other()])
            .unwrap_err()
            .to_string();
        assert!(text.contains("one: x") && text.contains("two: no compiler"));
    }

    #[test]
    fn context_does_not_hide_whose_failure_it_is() {
        let error =
            Error::from(GuestFailure::late("slow".to_owned(), true)).context("while trying");
        assert!(error.downcast_ref().is_some_and(GuestFailure::is_late));
    }
}
