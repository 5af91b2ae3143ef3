// SPDX-License-Identifier: GPL-2.0

//! In the second kernel: retrieve in another order, and verify.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use liveupdate::Device;
use liveupdate::Incoming;
use liveupdate::Session;
use liveupdate::Token;
use lu_demo::FileRecord;
use lu_demo::INDEX_SESSION;
use lu_demo::Index;
use lu_demo::data;
use lu_demo::digest;
use lu_demo::digest::Total;
use lu_demo::message::Message;
use lu_guest::kmsg::Kmsg;
use lu_guest::message::shorten;

use crate::progress;

/// The most bytes that an index may have.
const INDEX_BYTES: u64 = 64 << 20;

/// Everything that came back.
struct Retrieved {
    sessions: BTreeMap<String, Session<Incoming>>,
    /// In the order of the index.
    files: Vec<File>,
    /// How many were retrieved at another place in the order than they were preserved.
    moved: u64,
    time: Duration,
}

pub(crate) fn run(kmsg: &mut Kmsg, shuffle_seed: u64) -> Result<()> {
    let device = Device::open()?;
    let start = Instant::now();
    let session = device.retrieve_session(INDEX_SESSION)?;
    let fd = session.retrieve_fd(Token(1))?;
    let index_time = start.elapsed();
    let index = read_index(fd)?;
    ensure!(!index.files.is_empty(), "the index names no files");

    progress(
        kmsg,
        &format!("retrieving in an order drawn from {shuffle_seed:#018x}"),
    )?;
    let mut retrieved = retrieve(&device, &index.files, shuffle_seed)?;
    retrieved.sessions.insert(INDEX_SESSION.to_owned(), session);
    retrieved.time += index_time;
    kmsg.say(&Message::Retrieved {
        from: shorten(&index.release),
        sessions: retrieved.sessions.len() as u64,
        files: retrieved.files.len() as u64,
        moved: retrieved.moved,
        micros: u64::try_from(retrieved.time.as_micros()).unwrap_or(u64::MAX),
    })?;

    // The data must be ours alone by the time that it is read.
    for session in retrieved.sessions.into_values() {
        session.finish()?;
    }
    drop(device);
    progress(kmsg, "all sessions finished; computing SHA-256 of all data")?;
    kmsg.say(&verify(&index.files, &retrieved.files)?)
}

fn read_index(fd: OwnedFd) -> Result<Index> {
    let file = File::from(fd);
    let bytes = file.metadata().context("looking at the index")?.len();
    ensure!(
        bytes <= INDEX_BYTES,
        "the index has {bytes} bytes, which cannot be"
    );
    let mut text = vec![0; usize::try_from(bytes)?];
    file.read_exact_at(&mut text, 0)
        .context("reading the index")?;
    serde_json::from_slice(&text).context("understanding the index")
}

fn retrieve(device: &Device, records: &[FileRecord], seed: u64) -> Result<Retrieved> {
    let order = data::shuffled(seed, records.len());
    let mut sessions: BTreeMap<String, Session<Incoming>> = BTreeMap::new();
    let mut found: BTreeMap<usize, File> = BTreeMap::new();
    let mut time = Duration::ZERO;
    for &number in &order {
        let record = &records[number];
        let start = Instant::now();
        if !sessions.contains_key(&record.session) {
            let session = device.retrieve_session(record.session.as_str())?;
            sessions.insert(record.session.clone(), session);
        }
        let fd = sessions[&record.session]
            .retrieve_fd(Token(record.token))
            .with_context(|| format!("retrieving {}", record.path))?;
        time += start.elapsed();
        found.insert(number, File::from(fd));
    }
    let moved = order
        .iter()
        .enumerate()
        .filter(|(at, number)| at != *number);
    Ok(Retrieved {
        sessions,
        moved: moved.count() as u64,
        files: found.into_values().collect(),
        time,
    })
}

/// Computes the digest of all data anew, and compares each file's with the index.
fn verify(records: &[FileRecord], files: &[File]) -> Result<Message> {
    let mut total = Total::default();
    let mut damaged = 0;
    let mut example = None;
    for (record, file) in records.iter().zip(files) {
        let FileRecord {
            session,
            token,
            path,
            sha256,
            ..
        } = record;
        // The size is the file's own: that of the index is what it is to be compared with.
        let bytes = file
            .metadata()
            .with_context(|| format!("looking at {path}"))?
            .len();
        let own = digest::add_file(&mut total, session, *token, file, bytes)
            .with_context(|| format!("reading {path}"))?;
        if own != *sha256 || bytes != record.bytes {
            damaged += 1;
            example.get_or_insert_with(|| shorten(path));
        }
    }
    Ok(Message::After {
        bytes: total.bytes(),
        sha256: total.finish(),
        damaged,
        example,
    })
}
