// SPDX-License-Identifier: GPL-2.0

//! The demo with files: many small ones and a large one, in many sessions.

use serde::Deserialize;
use serde::Serialize;

/// Where the guest finds the files to preserve.
pub const FILES_PATH: &str = "/demo/files";
/// The session that carries [`Index`].
pub const INDEX_SESSION: &str = "demo-index";
/// The session with the large file.
pub const BIG_SESSION: &str = "demo-big";

/// What the guest is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Plan {
    /// Preserve, and go on to the next kernel.
    Before {
        /// What the large file is generated from.
        seed: u64,
        /// How many sessions the files are spread over, besides that of the large file.
        sessions: u32,
        /// The size of the large file.
        big_bytes: u64,
    },
    /// Retrieve and verify.
    After {
        /// What the order of retrieval is drawn from.
        shuffle_seed: u64,
    },
}

/// A preserved file, as the first kernel describes it to the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// The session that it is in.
    pub session: String,
    /// Its token there.
    pub token: u64,
    /// Where it came from.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// What travels beside the data, in a memfd that is preserved like the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// `uname -r` of the first kernel.
    pub release: String,
    /// All files in the order in which they were preserved.
    pub files: Vec<FileRecord>,
}

/// What the guest has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Work {
    /// All data is with the kernel.
    Preserved {
        /// Sessions, that of the index among them.
        sessions: u64,
        /// Files, without the index.
        files: u64,
        /// Bytes in them.
        bytes: u64,
        /// Microseconds in the calls that made sessions and preserved files.
        micros: u64,
    },
    /// SHA-256 of all data, read back from what was preserved.
    Before {
        /// In hexadecimal.
        sha256: String,
    },
    /// All data is back.
    Retrieved {
        /// `uname -r` of the kernel that preserved it, out of the index.
        from: String,
        /// Sessions, that of the index among them.
        sessions: u64,
        /// Files, without the index.
        files: u64,
        /// How many of them came at another place in the order than they were preserved.
        moved: u64,
        /// Microseconds in the calls that took sessions and retrieved files.
        micros: u64,
    },
    /// SHA-256 of all data, computed after the sessions were finished.
    After {
        /// In hexadecimal.
        sha256: String,
        /// Bytes that went into it.
        bytes: u64,
        /// Files that are not what the index says.
        damaged: u64,
        /// One of them.
        example: Option<String>,
    },
}

/// The session and the token of file number `number` (from 0) when there are `sessions` of them.
///
/// Files go round the sessions, so that neighbours are in different ones.
#[must_use]
pub fn place(number: usize, sessions: u32) -> (String, u64) {
    let sessions = u64::from(sessions.max(1));
    let number = number as u64;
    let session = format!("demo-docs-{:02}", number % sessions);
    (session, number / sessions + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_files_have_the_same_place() {
        let places: BTreeSet<_> = (0..1200).map(|number| place(number, 24)).collect();
        assert_eq!(places.len(), 1200);
        let sessions: BTreeSet<_> = places.iter().map(|(session, _)| session).collect();
        assert_eq!(sessions.len(), 24);
    }
}
