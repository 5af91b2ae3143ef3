// SPDX-License-Identifier: GPL-2.0

//! The serial console: written to a file, followed line by line, watched for complaints.

use std::fmt;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;

use crate::failure::GuestFailure;
use crate::ktap::Ktap;
use crate::splat::Splat;
use crate::splat::Splats;

/// Lines of the log that a failure shows.
const TAIL_LINES: usize = 40;

/// Lines that it shows of what the kernel complained of, if that is further up.
const SPLAT_LINES: usize = 40;

/// Lines that it shows of tests that failed further up.
const TELLING_LINES: usize = 30;

/// What came of following the console.
pub(crate) enum Event {
    /// A line is there.
    Line(String),
    /// The guest is gone, and everything it said was seen.
    End,
    /// Nothing came in time.
    Timeout,
}

/// The console of a running guest.
pub(crate) struct Console {
    lines: Receiver<String>,
    splats: Splats,
    /// Whether complaints still count.
    watching: bool,
    seen: Transcript,
}

impl Console {
    /// Follows `source` until it ends, and writes every byte of it to `log`.
    pub(crate) fn follow<S>(source: S, log: &Path, splats: Splats) -> Result<Self>
    where
        S: Read + Send + 'static,
    {
        let mut file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut source = source;
            let mut splitter = Lines::default();
            let mut chunk = [0u8; 4096];
            // A read error means the same as the end: the guest has nothing more to say.
            while let Ok(length @ 1..) = source.read(&mut chunk) {
                // The lines matter more than the file: a full disk must not stop the test.
                let _ = file.write_all(&chunk[..length]);
                for line in splitter.push(&chunk[..length]) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            }
            if let Some(line) = splitter.finish() {
                let _ = sender.send(line);
            }
        });
        let seen = Transcript {
            lines: Vec::new(),
            splats: Vec::new(),
            log: log.to_path_buf(),
        };
        Ok(Self {
            lines,
            splats,
            watching: true,
            seen,
        })
    }

    /// Gives the next line, or says why there is none before `deadline`.
    pub(crate) fn next(&mut self, deadline: Instant) -> Event {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left.max(Duration::from_millis(1))) {
            Ok(line) => {
                self.watching &= !self.splats.is_end(&line);
                if let Some(splat) = self.splats.check(&line).filter(|_| self.watching) {
                    self.seen.splats.push(splat);
                }
                self.seen.lines.push(line.clone());
                Event::Line(line)
            }
            Err(RecvTimeoutError::Disconnected) => Event::End,
            Err(RecvTimeoutError::Timeout) => Event::Timeout,
        }
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> &Transcript {
        &self.seen
    }

    /// Gives what was seen.
    pub(crate) fn into_transcript(self) -> Transcript {
        self.seen
    }
}

/// Everything that a guest has said.
#[derive(Clone, Debug)]
pub struct Transcript {
    lines: Vec<String>,
    splats: Vec<Splat>,
    log: PathBuf,
}

impl Transcript {
    /// The lines, without escape sequences.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The complaints among them.
    pub fn splats(&self) -> &[Splat] {
        &self.splats
    }

    /// The file with all of it.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The releases of the kernels that said hello, in order: one more than there were live updates.
    pub fn releases(&self) -> Vec<&str> {
        let release = |line: &'_ String| -> Option<(usize, usize)> {
            let start = line.find("Linux version ")? + "Linux version ".len();
            let length = line[start..].find(' ').unwrap_or(line.len() - start);
            Some((start, start + length))
        };
        self.lines
            .iter()
            .filter_map(|line| release(line).map(|(a, b)| &line[a..b]))
            .collect()
    }

    /// The lines that each kernel printed, in order. Firmware comes before the first of them.
    pub fn boots(&self) -> Vec<&[String]> {
        let starts: Vec<usize> = self
            .lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.contains("Linux version "))
            .map(|(number, _)| number)
            .collect();
        let ends = starts.iter().skip(1).copied().chain([self.lines.len()]);
        starts
            .iter()
            .zip(ends)
            .map(|(&start, end)| &self.lines[start..end])
            .collect()
    }

    /// Whether the first kernel came to start the next one.
    pub fn has_jumped(&self) -> bool {
        const JUMP: &str = "Starting new kernel";
        self.lines.iter().any(|line| line.contains(JUMP)) || self.boots().len() > 1
    }

    /// A failure of the guest, with what it said last.
    pub fn failure(&self, what: impl fmt::Display) -> anyhow::Error {
        GuestFailure::new(format!("{what}\n{}", self.tail()), self.has_jumped()).into()
    }

    /// The path of the log, what of it tells of a failure and its last lines, for people who must find out
    /// what went wrong.
    pub fn tail(&self) -> String {
        let first = self.lines.len().saturating_sub(TAIL_LINES);
        let (earlier, last) = self.lines.split_at(first);
        let mut text = format!("the whole log: {}\n", self.log.display());
        let telling: Vec<_> = earlier.iter().filter(|line| is_telling(line)).collect();
        let telling = telling.iter().take(TELLING_LINES).copied();
        quote(&mut text, "tests that failed", telling);
        quote(&mut text, "what it complained of", self.complaint(earlier));
        quote(&mut text, &format!("its last {} lines", last.len()), last);
        text
    }

    /// The first complaint, as far as it is in `lines`, and what follows it.
    fn complaint<'a>(&self, lines: &'a [String]) -> impl Iterator<Item = &'a String> {
        let splat = self.splats.first();
        let start = splat.and_then(|splat| lines.iter().position(|line| *line == splat.line));
        let start = start.unwrap_or(lines.len());
        lines[start..].iter().take(SPLAT_LINES)
    }
}

/// Adds `lines`, if there are any, below what they are.
fn quote<'a>(text: &mut String, what: &str, lines: impl IntoIterator<Item = &'a String>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return;
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "{what}:");
    for line in lines {
        let _ = writeln!(text, "    {line}");
    }
}

/// Whether a line says which test failed, or why.
fn is_telling(line: &str) -> bool {
    const REASONS: [&str; 3] = [":Expected ", "EXPECTATION FAILED", "ASSERTION FAILED"];
    let fails = || Ktap::parse([line]).failed().next().is_some();
    REASONS.iter().any(|reason| line.contains(reason)) || fails()
}

/// The numbers behind `mark`, in the first line that has it: as many as there are before anything else.
pub fn numbers_behind<T: FromStr>(lines: &[String], mark: &str) -> Result<Vec<T>> {
    let said = lines.iter().find_map(|line| line.split_once(mark));
    let (_, text) = said.with_context(|| format!("no line has {mark:?}"))?;
    Ok(text
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect())
}

/// The same where there is one number.
pub fn number_behind<T: FromStr>(lines: &[String], mark: &str) -> Result<T> {
    let mut numbers = numbers_behind(lines, mark)?.into_iter();
    numbers
        .next()
        .with_context(|| format!("there is no number behind {mark:?}"))
}

/// Cuts bytes into lines, and leaves out what steers a terminal.
#[derive(Default)]
struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.pending.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            lines.push(plain(&line));
        }
        lines
    }

    fn finish(self) -> Option<String> {
        Some(plain(&self.pending)).filter(|line| !line.is_empty())
    }
}

/// The text of one line: no escape sequences, no control characters, no invalid UTF-8.
fn plain(line: &[u8]) -> String {
    const ESC: char = '\u{1b}';
    let text = String::from_utf8_lossy(line);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ESC => skip_escape(&mut chars),
            '\t' => plain.push(c),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Skips what follows an escape: one character, or with `[` all up to the first letter.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    if chars.next() == Some('[') {
        chars.find(|c| ('@'..='~').contains(c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn transcript(text: &str) -> Transcript {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        let source = Cursor::new(text.as_bytes().to_vec());
        let mut console = Console::follow(source, &log, Splats::none_allowed()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Event::Line(_) = console.next(deadline) {}
        assert_eq!(std::fs::read_to_string(&log).unwrap(), text);
        console.into_transcript()
    }

    #[test]
    fn escapes_and_carriage_returns_do_not_hide_text() {
        let seen =
            transcript("\u{1b}c\u{1b}[?7l\u{1b}[2J\u{1b}[0mSeaBIOS\r\nKer\u{1b}[31mnel panic\r\n");
        assert_eq!(seen.lines(), ["SeaBIOS", "Kernel panic"]);
        assert_eq!(seen.splats().len(), 1);
    }

    #[test]
    fn numbers_are_read_until_something_else_comes() {
        let seen = transcript("# costs: 1\n# cost: 12 345 KiB 6\n# cost: 7\n# cost of it:\n");
        let numbers = |mark| numbers_behind::<u64>(seen.lines(), mark);
        assert_eq!(numbers("# cost: ").unwrap(), [12, 345]);
        assert!(numbers("# price: ").is_err());
        assert_eq!(number_behind::<i64>(seen.lines(), "# cost: ").unwrap(), 12);
        assert!(number_behind::<i64>(seen.lines(), "# cost of it:").is_err());
    }

    #[test]
    fn a_line_may_come_in_pieces_and_the_last_may_be_cut() {
        let mut lines = Lines::default();
        assert!(lines.push(b"Kernel pa").is_empty());
        assert_eq!(lines.push(b"nic\nand then"), ["Kernel panic"]);
        assert_eq!(lines.finish().as_deref(), Some("and then"));
    }

    #[test]
    fn a_live_update_shows_as_two_releases_and_two_boots() {
        let seen = transcript(
            "bios\n[0] Linux version 7.3.4-a (x) #1\nfoo\n[0] Linux version 7.3.4-b (x)\nbar\n",
        );
        assert_eq!(seen.releases(), ["7.3.4-a", "7.3.4-b"]);
        assert_eq!(seen.boots()[0][1], "foo");
        assert_eq!(seen.boots()[1][1], "bar");
    }

    #[test]
    fn what_failed_is_shown_however_much_is_said_afterwards() {
        let chatter = "chatter\n".repeat(2 * TAIL_LINES);
        let said = [
            "[    1.0] ok 1 x.good",
            "[    1.1] # x.c:7:bad:Expected 1 (1) == 2 (2)",
            "[    1.2] not ok 2 x.bad",
            "[    1.3] BUG: KASAN: use-after-free",
            "[    1.3] Read of size 8",
        ];
        let tail = transcript(&format!("boot\n{}\n{chatter}end\n", said.join("\n"))).tail();
        for line in &said[1..] {
            assert_eq!(tail.matches(line).count(), 1, "{line}: {tail}");
        }
        assert!(
            !tail.contains(said[0]) && tail.ends_with("    end\n"),
            "{tail}"
        );
        let tail = transcript(&format!("boot\n{chatter}{}\n", said.join("\n"))).tail();
        assert_eq!(tail.matches(said[3]).count(), 1, "{tail}");
    }

    #[test]
    fn silence_is_a_timeout_not_an_end() {
        let (_writer, reader) = std::os::unix::net::UnixStream::pair().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        let mut console = Console::follow(reader, &log, Splats::none_allowed()).unwrap();
        let event = console.next(Instant::now() + Duration::from_millis(50));
        assert!(matches!(event, Event::Timeout));
    }
}
