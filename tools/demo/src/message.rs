// SPDX-License-Identifier: GPL-2.0

//! What the guest says to the host.

use lu_guest::message::ConsoleMessage;
use serde::Deserialize;
use serde::Serialize;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Message {
    /// The first thing that userspace does.
    Hello {
        /// `uname -r`.
        release: String,
    },
    /// Something that takes a while begins.
    Progress {
        /// What.
        text: String,
    },
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
    /// The next thing is the reboot call.
    Jump,
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
    /// It is all over.
    Failed {
        /// What happened.
        error: String,
        /// What to do.
        help: Option<String>,
    },
}

impl ConsoleMessage for Message {
    const PREFIX: &'static str = "lu-demo: ";

    fn failed(error: String, help: Option<String>) -> Self {
        Self::Failed { error, help }
    }
}
