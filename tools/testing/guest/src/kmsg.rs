// SPDX-License-Identifier: GPL-2.0

//! The kernel's log, which reaches the console.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;

use anyhow::Context;
use anyhow::Result;

use crate::message::ConsoleMessage;

/// The log, open for writing.
#[derive(Debug)]
pub struct Kmsg {
    file: File,
}

impl Kmsg {
    /// Opens it. The initramfs has the node, so nothing needs to be mounted for it.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn open() -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open("/dev/kmsg")?;
        Ok(Self { file })
    }

    /// Says a message.
    ///
    /// # Errors
    ///
    /// The kernel does not take it.
    pub fn say(&mut self, message: &impl ConsoleMessage) -> Result<()> {
        self.write(&message.to_line())
    }

    /// Writes a line. One write is one line of the log.
    ///
    /// # Errors
    ///
    /// The kernel does not take it.
    pub fn write(&mut self, line: &str) -> Result<()> {
        // Level 5, a notice, which the console shows unless told otherwise.
        let line = format!("<5>{line}\n");
        self.file
            .write_all(line.as_bytes())
            .context("writing to /dev/kmsg")
    }
}
