// SPDX-License-Identifier: GPL-2.0

//! Reading the kernel's own log, for the times in it.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Context;
use anyhow::Result;
use lu_bench::message::Anchor;
use lu_bench::tsc;
use lu_guest::kmsg::Kmsg;
use rustix::fs::OFlags;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// What is said to see what time the log gives it.
const TICK: &str = "lu-bench-tick";

/// The log, from its first line on.
pub(crate) struct Log {
    file: File,
}

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) micros: u64,
    pub(crate) text: String,
}

impl Log {
    pub(crate) fn open() -> Result<Self> {
        let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).context("O_NONBLOCK")?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblock)
            .open("/dev/kmsg")
            .context("opening /dev/kmsg to read it")?;
        Ok(Self { file })
    }

    /// Reads the next line, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Record>> {
        let mut buffer = [0; 8192];
        loop {
            match self.file.read(&mut buffer) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    return Record::parse(&text)
                        .with_context(|| format!("reading the log: {text}"))
                        .map(Some);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // Lines were overwritten; the next read goes on behind them.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::PIPE) => {}
                Err(error) => return Err(error).context("reading the log"),
            }
        }
    }
}

impl Record {
    /// Reads `LEVEL,SEQUENCE,MICROS,FLAGS[,...];TEXT`.
    fn parse(text: &str) -> Option<Self> {
        let (head, text) = text.split_once(';')?;
        Some(Self {
            micros: head.split(',').nth(2)?.parse().ok()?,
            text: text.lines().next()?.to_owned(),
        })
    }
}

/// Says something, and sees what time the log gives it.
pub(crate) fn anchor(kmsg: &mut Kmsg) -> Result<Anchor> {
    let mut log = Log::open()?;
    rustix::fs::seek(&log.file, SeekFrom::End(0)).context("skipping the log")?;
    let ticks = tsc::now();
    kmsg.write(TICK)?;
    while let Some(record) = log.next()? {
        if record.text == TICK {
            let micros = record.micros;
            return Ok(Anchor { ticks, micros });
        }
    }
    anyhow::bail!("the kernel's log does not have what was just written to it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_time_third() {
        let record = Record::parse("6,339,5140900,-,caller=T1;NET: Registered; 1\n KEY=x\n");
        let text = "NET: Registered; 1".to_owned();
        let micros = 5_140_900;
        assert_eq!(record, Some(Record { micros, text }));
        assert_eq!(Record::parse("6,339;x"), None);
        assert_eq!(Record::parse("no record"), None);
    }
}
