// SPDX-License-Identifier: GPL-2.0

//! What the guest says to the host.
//!
//! A message is one line of the kernel's log, written by way of `/dev/kmsg`: the kernel then keeps
//! it in one piece on the console, and in order with its own lines.

use serde::Deserialize;
use serde::Serialize;

/// What a message begins with on the console.
pub const PREFIX: &str = "lu-demo: ";

/// The most bytes of text in a message. The kernel cuts lines of about 1,000 off.
const TEXT_BYTES: usize = 600;

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

impl Message {
    /// The line for `/dev/kmsg`, without a newline.
    ///
    /// # Errors
    ///
    /// It cannot be written as JSON.
    pub fn to_line(&self) -> serde_json::Result<String> {
        Ok(format!("{PREFIX}{}", serde_json::to_string(self)?))
    }

    /// Reads a line of the console, if it has a message in it.
    #[must_use]
    pub fn from_line(line: &str) -> Option<serde_json::Result<Self>> {
        let (_, text) = line.split_once(PREFIX)?;
        Some(serde_json::from_str(text.trim_end()))
    }

    /// Reports a failure.
    #[must_use]
    pub fn failed(error: &str, help: Option<&str>) -> Self {
        Self::Failed {
            error: shorten(error),
            help: help.map(str::to_owned),
        }
    }
}

/// The beginning of a text that may be long.
#[must_use]
pub fn shorten(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let end = (0..=TEXT_BYTES).rev().find(|&at| text.is_char_boundary(at));
    format!("{}...", &text[..end.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_console() {
        let message = Message::failed("two\nlines and a \"quote\"", Some("help"));
        let line = message.to_line().unwrap();
        assert!(!line.contains('\n'));
        let seen = format!("[    1.234567] {line}\r");
        assert_eq!(Message::from_line(&seen).unwrap().unwrap(), message);
    }

    #[test]
    fn other_lines_are_not_messages_and_broken_ones_are_errors() {
        assert!(Message::from_line("[    0.0] Linux version 7.3").is_none());
        assert!(
            Message::from_line("lu-demo: {\"event\":\"ju")
                .unwrap()
                .is_err()
        );
    }

    #[test]
    fn long_text_fits_into_a_line() {
        let message = Message::failed(&"ä".repeat(5000), None);
        assert!(message.to_line().unwrap().len() < 900);
    }
}
