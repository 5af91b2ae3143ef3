// SPDX-License-Identifier: GPL-2.0

//! Reading the kernel's own log, for the times in it.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Context;
use anyhow::Result;
use lu_bench::message::Anchor;
use lu_bench::tsc;
use rustix::fs::OFlags;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// What is said to see what time the log gives it.
const TICK: &str = "lu-bench-tick";

/// How often it is said. The log has microseconds, so each time says where the counter was to a
/// thousand instructions; of so many, spread evenly, one is as good as just before the next microsecond.
const TICKS: u64 = 32;

/// How the kernel says by how much its log's clock, once the counter is trusted, is ahead of the counter
/// itself, which it is in early boot.
const STABLE: &str = "sched_clock: Marking stable ";

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
            .write(true)
            .custom_flags(nonblock)
            .open("/dev/kmsg")
            .context("opening /dev/kmsg")?;
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

/// Relates the log's clock to the counter, which runs at `khz`.
pub(crate) fn anchor(khz: u64) -> Result<Anchor> {
    const NANOS_OF_MICRO: u64 = 1_000;
    let mut log = Log::open()?;
    rustix::fs::seek(&log.file, SeekFrom::End(0)).context("skipping the log")?;
    let mut said = Vec::new();
    for number in 0..TICKS {
        // Each is at another part of a microsecond, should saying it take whole ones.
        let begin = tsc::now() + number * NANOS_OF_MICRO / TICKS;
        while tsc::now() < begin {}
        said.push(tsc::now());
        // A level that the console does not show.
        log.file
            .write_all(format!("<6>{TICK}\n").as_bytes())
            .context("writing to /dev/kmsg")?;
    }
    let mut heard = Vec::new();
    while let Some(record) = log.next()? {
        if record.text == TICK {
            heard.push(record.micros);
        }
    }
    anyhow::ensure!(
        heard.len() == said.len(),
        "the kernel's log has {} of {TICKS} lines that were just written to it",
        heard.len()
    );
    let anchors = said.into_iter().zip(heard);
    anchors
        .map(|(ticks, micros)| Anchor { ticks, micros })
        // The log cuts off what is less than a microsecond: the one that it cut least off.
        .max_by_key(|anchor| {
            i128::from(anchor.micros) * i128::from(khz) / 1_000 - i128::from(anchor.ticks)
        })
        .context("nothing was said")
}

/// By how many nanoseconds times in the log are ahead of those of early boot, from the moment on at which the
/// kernel trusts the counter.
pub(crate) fn ahead() -> Result<i64> {
    let mut log = Log::open()?;
    while let Some(record) = log.next()? {
        if let Some(figures) = record.text.strip_prefix(STABLE) {
            return parse_ahead(figures)
                .with_context(|| format!("understanding {:?}", record.text));
        }
    }
    anyhow::bail!("the log does not say when its clock became stable")
}

/// The last of four figures: `(GTOD, OFFSET)->(RAW, AHEAD)`.
fn parse_ahead(figures: &str) -> Option<i64> {
    let (_, last) = figures.rsplit_once(", ")?;
    last.strip_suffix(')')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_by_how_much_its_clock_is_ahead() {
        assert_eq!(
            parse_ahead("(96117740, 2700696)->(81229520, 17588916)"),
            Some(17_588_916)
        );
        assert_eq!(parse_ahead("(96117740, 2700696)->(81229520, -5)"), Some(-5));
        assert_eq!(parse_ahead("none"), None);
    }

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
