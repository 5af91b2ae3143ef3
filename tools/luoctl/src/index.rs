// SPDX-License-Identifier: GPL-2.0

//! What the kernel does not carry over: names.
//!
//! Each session that luoctl makes has an index of its files at a reserved token. And each luoctl
//! that holds sessions has a session of its own, `luoctl-index.N`, with the names of the others. N
//! is the first number that is free, so the kernel settles who gets which.
//!
//! What comes from the previous kernel is input: it is bounded in size, its version is checked, and
//! names in it are never used as paths without a look.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use liveupdate::Device;
use liveupdate::Error;
use liveupdate::Incoming;
use liveupdate::Outgoing;
use liveupdate::Session;
use liveupdate::Token;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memfd;

/// Where an index is in its session.
pub(crate) const TOKEN: Token = Token(u64::MAX);

/// The format. Another number means that fields have changed their meaning.
const VERSION: u32 = 1;

/// How many luoctls may hold sessions at a time.
const SLOTS: u32 = 32;

/// The greatest size of an index in bytes that is believed.
const LIMIT: u64 = 64 << 20;

/// A file of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) token: u64,
    /// The path it was read from.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Seconds since 1970 of its last change.
    pub(crate) mtime: i64,
    pub(crate) sha256: String,
}

impl Entry {
    /// The name to write it out by: the last part of the path it came from.
    pub(crate) fn file_name(&self) -> Result<&str> {
        let name = Path::new(&self.name).file_name();
        name.and_then(|name| name.to_str())
            .filter(|name| !name.contains('\0'))
            .with_context(|| format!("the index has no usable file name in {:?}", self.name))
    }
}

/// The index of one session.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileIndex {
    pub(crate) version: u32,
    pub(crate) files: Vec<Entry>,
}

/// A session in the index of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionEntry {
    pub(crate) name: String,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

/// The index of what one luoctl holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionIndex {
    pub(crate) version: u32,
    /// `uname -r` of the kernel in which it was made.
    pub(crate) release: String,
    pub(crate) sessions: Vec<SessionEntry>,
}

fn to_memfd(name: &str, index: &impl Serialize) -> Result<OwnedFd> {
    let text = serde_json::to_vec(index)?;
    let (fd, _) = memfd::from_reader(name, &mut text.as_slice()).context("making the index")?;
    Ok(fd)
}

fn from_memfd<T: DeserializeOwned>(fd: OwnedFd) -> Result<T> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }

    let text = memfd::read_all(fd, LIMIT).context("reading the index")?;
    let head: Head = serde_json::from_slice(&text).context("the index is damaged")?;
    ensure!(
        head.version == VERSION,
        "the index has version {}, this luoctl knows {VERSION}: use the luoctl that made it",
        head.version
    );
    serde_json::from_slice(&text).context("the index is damaged")
}

/// Puts the index of its files into a session.
pub(crate) fn preserve_files(session: &Session<Outgoing>, files: Vec<Entry>) -> Result<()> {
    let index = FileIndex {
        version: VERSION,
        files,
    };
    session.preserve_fd(TOKEN, to_memfd("luoctl-files", &index)?)?;
    Ok(())
}

/// Gets the index of a session's files, if luoctl made the session.
pub(crate) fn retrieve_files(session: &Session<Incoming>) -> Result<Option<FileIndex>> {
    match session.retrieve_fd(TOKEN) {
        Ok(fd) => from_memfd(fd).map(Some),
        Err(Error::NoSuchToken { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes the session that names the others.
pub(crate) fn preserve_sessions(
    device: &Device,
    sessions: Vec<SessionEntry>,
) -> Result<Session<Outgoing>> {
    let index = SessionIndex {
        version: VERSION,
        release: rustix::system::uname().release().to_string_lossy().into(),
        sessions,
    };
    for slot in 0..SLOTS {
        match device.create_session(slot_name(slot).as_str()) {
            Ok(session) => {
                session.preserve_fd(TOKEN, to_memfd("luoctl-sessions", &index)?)?;
                return Ok(session);
            }
            Err(Error::SessionExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("{SLOTS} luoctls hold sessions already, which is the limit: end one of them first");
}

/// Gets all indexes of sessions that the previous kernel left.
///
/// The sessions that contain them come along: closing one discards it.
pub(crate) fn retrieve_sessions(device: &Device) -> Result<Vec<(Session<Incoming>, SessionIndex)>> {
    let mut found = Vec::new();
    for slot in 0..SLOTS {
        let session = match device.retrieve_session(slot_name(slot).as_str()) {
            Ok(session) => session,
            Err(Error::NoSuchSession { .. } | Error::SessionTaken { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let index = session.retrieve_fd(TOKEN).map_err(anyhow::Error::from);
        let index = index
            .and_then(from_memfd)
            .with_context(|| format!("session {}", session.name()))?;
        found.push((session, index));
    }
    Ok(found)
}

fn slot_name(slot: u32) -> String {
    format!("luoctl-index.{slot}")
}

/// Copies a file into memory.
pub(crate) fn load(token: Token, path: &Path) -> Result<(OwnedFd, Entry)> {
    let shown = path.display();
    let mut file = File::open(path).with_context(|| format!("opening {shown}"))?;
    let stat = rustix::fs::fstat(&file).with_context(|| format!("looking at {shown}"))?;
    ensure!(
        rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file(),
        "{shown} is not a regular file: luoctl preserves copies of regular files"
    );
    let name = path
        .to_str()
        .with_context(|| format!("the path {shown} is not UTF-8, which the index needs"))?;
    let mut reader = file.by_ref();
    let (fd, copied) =
        memfd::from_reader(name, &mut reader).with_context(|| format!("copying {shown}"))?;
    let entry = Entry {
        token: token.0,
        name: name.to_owned(),
        bytes: copied.bytes,
        mode: stat.st_mode & 0o7777,
        mtime: stat.st_mtime,
        sha256: copied.sha256,
    };
    Ok((fd, entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            token: 1,
            name: name.into(),
            bytes: 0,
            mode: 0o644,
            mtime: 0,
            sha256: String::new(),
        }
    }

    #[test]
    fn names_cannot_lead_elsewhere() {
        assert_eq!(entry("/etc/passwd").file_name().unwrap(), "passwd");
        assert_eq!(entry("../../x").file_name().unwrap(), "x");
        for bad in ["", "/", "..", "a/..", "a\0b"] {
            assert!(entry(bad).file_name().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_index_survives_its_memfd() {
        let index = FileIndex {
            version: VERSION,
            files: vec![entry("a"), entry("b")],
        };
        let fd = to_memfd("x", &index).unwrap();
        assert_eq!(from_memfd::<FileIndex>(fd).unwrap(), index);
    }

    #[test]
    fn a_newer_or_damaged_index_is_refused_with_a_reason() {
        let refused = |text: &str| {
            let (fd, _) = memfd::from_reader("x", &mut text.as_bytes()).unwrap();
            format!("{:#}", from_memfd::<FileIndex>(fd).unwrap_err())
        };
        assert!(refused(r#"{"version":2,"new":true}"#).contains("version 2"));
        assert!(refused(r#"{"version":1,"files":[{}]}"#).contains("damaged"));
        assert!(refused("\0\0").contains("damaged"));
        assert!(refused("").contains("damaged"));
    }

    #[test]
    fn only_regular_files_are_loaded() {
        let error = load(Token(1), Path::new("/dev/null")).unwrap_err();
        assert!(error.to_string().contains("not a regular file"));
    }
}
