// SPDX-License-Identifier: GPL-2.0

//! Follows the guest from its first line to its last.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use lu_demo::files::Work;
use lu_demo::host::follow::Arrival;
use lu_demo::host::follow::Guest;

/// What the two kernels said, with what the host's clock adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) from: String,
    pub(crate) to: Arrival,
    /// What the second kernel found out about the first.
    pub(crate) from_by_index: String,
    pub(crate) preserved: Preserved,
    pub(crate) retrieved: Retrieved,
    pub(crate) before: String,
    pub(crate) after: After,
    pub(crate) log: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preserved {
    pub(crate) sessions: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retrieved {
    pub(crate) sessions: u64,
    pub(crate) files: u64,
    pub(crate) moved: u64,
    pub(crate) time: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) damaged: u64,
    pub(crate) example: Option<String>,
}

/// Follows a guest that was just started.
pub(crate) fn run(mut guest: Guest<Work>) -> Result<Outcome> {
    let from = guest.first_hello()?;
    let before = guest.work("its SHA-256", |work| match work {
        Work::Before { sha256 } => Some(sha256),
        _ => None,
    })?;
    guest.step(&format!("  before: SHA-256 {before}"));
    let preserved = guest.work("that all is preserved", |work| match work {
        Work::Preserved {
            sessions,
            files,
            bytes,
            micros,
        } => Some(Preserved {
            sessions,
            files,
            bytes,
            time: Duration::from_micros(micros),
        }),
        _ => None,
    })?;
    let to = guest.arrival()?;
    let (from_by_index, retrieved) = guest.work("that all is back", |work| match work {
        Work::Retrieved {
            from,
            sessions,
            files,
            moved,
            micros,
        } => {
            let time = Duration::from_micros(micros);
            Some((
                from,
                Retrieved {
                    sessions,
                    files,
                    moved,
                    time,
                },
            ))
        }
        _ => None,
    })?;
    let after = guest.work("its SHA-256", |work| match work {
        Work::After {
            sha256,
            bytes,
            damaged,
            example,
        } => Some(After {
            sha256,
            bytes,
            damaged,
            example,
        }),
        _ => None,
    })?;
    guest.step(&format!("  after:  SHA-256 {}", after.sha256));
    Ok(Outcome {
        from,
        to,
        from_by_index,
        preserved,
        retrieved,
        before,
        after,
        log: guest.finish()?,
    })
}
