// SPDX-License-Identifier: GPL-2.0

//! What the guest says to the host.

use lu_guest::message::ConsoleMessage;
use serde::Deserialize;
use serde::Serialize;

/// One moment, by both clocks: relates the time in front of a line of the kernel's log to the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The time stamp counter.
    pub ticks: u64,
    /// The kernel's log, in microseconds.
    pub micros: u64,
}

/// What the first kernel's calls took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Ticks to create all sessions.
    pub create: u64,
    /// Ticks to preserve all files.
    pub preserve: u64,
    /// Pages that preserving took from the page allocator.
    pub metadata_pages: i64,
    /// How often frames of files that are contiguous in memory go on elsewhere than in the next block.
    pub jumps: u64,
    /// Ticks to close all sessions again, if they were.
    pub unpreserve: Option<u64>,
    /// Of the content of all files.
    pub checksum: u64,
}

/// When the second kernel got where, and what its calls took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The counter as userspace began.
    pub user: u64,
    /// Relates the rest to the counter.
    pub anchor: Anchor,
    /// By how many nanoseconds the log was ahead of early boot's by then.
    pub ahead: i64,
    /// Microseconds in the log: the first line that was not at zero.
    pub first: u64,
    /// Microseconds in the log: the page allocator is up.
    pub memory: u64,
    /// Ticks of the first opening of the device, which reads what was handed over.
    pub open: u64,
    /// Ticks to retrieve all sessions.
    pub sessions: u64,
    /// Ticks to retrieve all files.
    pub files: u64,
    /// Ticks to finish and close all sessions.
    pub finish: u64,
    /// Of the content of all files, if they were retrieved.
    pub checksum: Option<u64>,
    /// Pages that finishing gave back to the page allocator.
    pub freed_pages: i64,
}

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
    Before(Before),
    /// The next thing is the reboot call.
    Jump {
        /// The counter at the reboot call, which is still to come. The last one counts.
        ticks: u64,
        /// Relates the first kernel's log to the counter.
        anchor: Anchor,
    },
    /// All is done.
    After(After),
    /// It is all over.
    Failed {
        /// What happened.
        error: String,
        /// What to do.
        help: Option<String>,
    },
}

impl ConsoleMessage for Message {
    const PREFIX: &'static str = "lu-bench: ";

    fn failed(error: String, help: Option<String>) -> Self {
        Self::Failed { error, help }
    }
}
