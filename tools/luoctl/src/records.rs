// SPDX-License-Identifier: GPL-2.0

//! Notes for the other luoctls on this machine, in a directory that does not outlive the boot.
//!
//! `held-PID.json` is locked by the luoctl that holds the sessions in it, so that a note whose
//! writer is gone shows. `incoming.json` is what the index of the previous kernel said; the index
//! itself can be read only once. Notes carry the boot they were made in and count in no other.

use std::fs;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use rustix::fs::FlockOperation;
use serde::Deserialize;
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::index::SessionEntry;

const HELD_PREFIX: &str = "held-";
const INCOMING: &str = "incoming.json";

/// What has become of an incoming session, as far as luoctl knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// No luoctl has taken it.
    Waiting,
    /// A luoctl has taken it and not reported the end.
    Taken,
    /// Its files are with their new owners, or discarded.
    Finished,
}

/// A session that the previous kernel's index named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IncomingSession {
    #[serde(flatten)]
    pub(crate) session: SessionEntry,
    /// The kernel that it came from.
    pub(crate) from: String,
    pub(crate) state: State,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note<T> {
    boot: String,
    content: T,
}

/// The directory of notes.
#[derive(Debug)]
pub(crate) struct Records {
    dir: PathBuf,
    boot: String,
}

impl Records {
    /// Opens the directory, and makes it if need be.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)
            .with_context(|| format!("making {}; choose another with --run-dir", dir.display()))?;
        let path = "/proc/sys/kernel/random/boot_id";
        let boot = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
        Ok(Self {
            dir: dir.to_owned(),
            boot: boot.trim().to_owned(),
        })
    }

    /// Notes that this process holds sessions, for as long as the result lives.
    pub(crate) fn hold(&self, sessions: &[SessionEntry]) -> Result<Held> {
        let path = self
            .dir
            .join(format!("{HELD_PREFIX}{}.json", std::process::id()));
        let file = self.write(&sessions)?;
        // Locked before it has a name, or a reader might take it for one that was left behind.
        rustix::fs::flock(file.as_file(), FlockOperation::NonBlockingLockExclusive)
            .with_context(|| format!("locking {}", path.display()))?;
        let file = file
            .persist(&path)
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(Held { path, _lock: file })
    }

    /// The sessions that luoctls hold now.
    pub(crate) fn held(&self) -> Result<Vec<SessionEntry>> {
        let mut sessions = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if !name.is_some_and(|name| name.starts_with(HELD_PREFIX)) {
                continue;
            }
            // It may have gone since; then nobody holds anything by it.
            let Ok(mut file) = File::open(&path) else {
                continue;
            };
            if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
                // Nobody has the lock, so its writer ended without cleaning up.
                let _ = fs::remove_file(&path);
                continue;
            }
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            if let Some(mut held) = self.parse::<Vec<SessionEntry>>(&text) {
                sessions.append(&mut held);
            }
        }
        sessions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(sessions)
    }

    /// What the previous kernel's index said, in so far as it was read in this boot.
    pub(crate) fn incoming(&self) -> Vec<IncomingSession> {
        let text = fs::read_to_string(self.dir.join(INCOMING)).unwrap_or_default();
        self.parse(&text).unwrap_or_default()
    }

    /// Writes it down.
    pub(crate) fn set_incoming(&self, sessions: &[IncomingSession]) -> Result<()> {
        let path = self.dir.join(INCOMING);
        // A reader sees the old note or the new one.
        self.write(&sessions)?
            .persist(&path)
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(())
    }

    /// Notes what became of a session. That it is not in the list is no error: others make
    /// sessions too.
    pub(crate) fn set_state(&self, name: &str, state: State) -> Result<()> {
        let mut sessions = self.incoming();
        for session in &mut sessions {
            if session.session.name == name {
                session.state = state;
            }
        }
        if sessions.is_empty() {
            return Ok(());
        }
        self.set_incoming(&sessions)
    }

    fn parse<T: for<'a> Deserialize<'a>>(&self, text: &str) -> Option<T> {
        let note: Note<T> = serde_json::from_str(text).ok()?;
        (note.boot == self.boot).then_some(note.content)
    }

    /// Writes a note that has no name yet.
    fn write(&self, content: &impl Serialize) -> Result<NamedTempFile> {
        let note = Note {
            boot: self.boot.clone(),
            content,
        };
        let text = serde_json::to_vec(&note)?;
        let write = || {
            let mut file = NamedTempFile::new_in(&self.dir)?;
            file.write_all(&text)?;
            Ok::<_, std::io::Error>(file)
        };
        write().with_context(|| format!("writing to {}", self.dir.display()))
    }
}

/// A note that goes away with its owner.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    _lock: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // If it stays, its lock is gone, and the next reader removes it.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> SessionEntry {
        SessionEntry {
            name: name.into(),
            files: 1,
            bytes: 2,
        }
    }

    fn incoming(name: &str) -> IncomingSession {
        IncomingSession {
            session: entry(name),
            from: "7.3".into(),
            state: State::Waiting,
        }
    }

    #[test]
    fn a_note_counts_while_its_writer_lives() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path()).unwrap();
        let held = records.hold(&[entry("vm")]).unwrap();
        assert_eq!(records.held().unwrap(), [entry("vm")]);

        // As after kill -9: the file is there, the lock is not.
        let left = dir.path().join("held-0.json");
        fs::copy(&held.path, &left).unwrap();
        assert_eq!(records.held().unwrap(), [entry("vm")]);
        assert!(!left.exists());

        drop(held);
        assert_eq!(records.held().unwrap(), []);
    }

    #[test]
    fn notes_of_another_boot_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let mut records = Records::open(dir.path()).unwrap();
        records.set_incoming(&[incoming("vm")]).unwrap();
        assert_eq!(records.incoming(), [incoming("vm")]);
        records.boot = "another".into();
        assert_eq!(records.incoming(), []);
    }

    #[test]
    fn states_change_for_the_named_session_only() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path()).unwrap();
        records.set_state("unknown", State::Taken).unwrap();
        assert_eq!(records.incoming(), []);

        records
            .set_incoming(&[incoming("a"), incoming("b")])
            .unwrap();
        records.set_state("b", State::Finished).unwrap();
        let states: Vec<State> = records.incoming().iter().map(|s| s.state).collect();
        assert_eq!(states, [State::Waiting, State::Finished]);
    }
}
