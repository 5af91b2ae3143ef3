// SPDX-License-Identifier: GPL-2.0

//! Speaking to the host.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;

use anyhow::Context;
use anyhow::Result;
use lu_demo::message::Message;

/// The kernel's log, which reaches the console.
#[derive(Debug)]
pub(crate) struct Console {
    kmsg: File,
}

impl Console {
    /// Opens it. The initramfs has the node, so nothing needs to be mounted for it.
    pub(crate) fn open() -> io::Result<Self> {
        let kmsg = OpenOptions::new().write(true).open("/dev/kmsg")?;
        Ok(Self { kmsg })
    }

    /// Says a message. One write is one line of the log.
    pub(crate) fn say(&mut self, message: &Message) -> Result<()> {
        // Level 5, a notice, which the console shows unless told otherwise.
        let line = format!("<5>{}\n", message.to_line()?);
        self.kmsg
            .write_all(line.as_bytes())
            .context("writing to /dev/kmsg")
    }

    /// Says that something begins which takes a while.
    pub(crate) fn progress(&mut self, text: &str) -> Result<()> {
        self.say(&Message::Progress { text: text.into() })
    }
}
