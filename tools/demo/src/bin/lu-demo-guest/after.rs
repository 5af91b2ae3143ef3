// SPDX-License-Identifier: GPL-2.0

//! In the second kernel: retrieve in another order, and verify.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use liveupdate::Device;
use liveupdate::Incoming;
use liveupdate::Session;
use liveupdate::Token;
use lu_demo::data;
use lu_demo::digest;
use lu_demo::digest::Total;
use lu_demo::files::FileRecord;
use lu_demo::files::INDEX_SESSION;
use lu_demo::files::Index;
use lu_demo::files::Work;
use lu_demo::guest;
use lu_demo::guest::Timer;
use lu_demo::guest::progress;
use lu_guest::kmsg::Kmsg;
use lu_guest::message::shorten;

/// The most bytes that an index may have.
const INDEX_BYTES: u64 = 64 << 20;

/// Everything that came back.
struct Retrieved {
    sessions: BTreeMap<String, Session<Incoming>>,
    /// In the order of the index.
    files: Vec<File>,
    /// How many were retrieved at another place in the order than they were preserved.
    moved: u64,
}

pub(crate) fn run(kmsg: &mut Kmsg, shuffle_seed: u64) -> Result<()> {
    let device = Device::open()?;
    let mut timer = Timer::default();
    let session = timer.time(|| device.retrieve_session(INDEX_SESSION))?;
    let fd = timer.time(|| session.retrieve_fd(Token(1)))?;
    let index = read_index(fd)?;
    ensure!(!index.files.is_empty(), "the index names no files");

    progress(
        kmsg,
        &format!("retrieving in an order drawn from {shuffle_seed:#018x}"),
    )?;
    let mut retrieved = retrieve(&device, &index.files, shuffle_seed, &mut timer)?;
    retrieved.sessions.insert(INDEX_SESSION.to_owned(), session);
    let work = Work::Retrieved {
        from: shorten(&index.release),
        sessions: retrieved.sessions.len() as u64,
        files: retrieved.files.len() as u64,
        moved: retrieved.moved,
        micros: timer.micros(),
    };
    guest::report(kmsg, work)?;

    // The data must be ours alone by the time that it is read.
    for session in retrieved.sessions.into_values() {
        session.finish()?;
    }
    drop(device);
    progress(kmsg, "all sessions finished; computing SHA-256 of all data")?;
    guest::report(kmsg, verify(&index.files, &retrieved.files)?)
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

fn retrieve(
    device: &Device,
    records: &[FileRecord],
    seed: u64,
    timer: &mut Timer,
) -> Result<Retrieved> {
    let order = data::shuffled(seed, records.len());
    let mut sessions: BTreeMap<String, Session<Incoming>> = BTreeMap::new();
    let mut found: BTreeMap<usize, File> = BTreeMap::new();
    for &number in &order {
        let record = &records[number];
        if !sessions.contains_key(&record.session) {
            let session = timer.time(|| device.retrieve_session(record.session.as_str()))?;
            sessions.insert(record.session.clone(), session);
        }
        let session = &sessions[&record.session];
        let fd = timer
            .time(|| session.retrieve_fd(Token(record.token)))
            .with_context(|| format!("retrieving {}", record.path))?;
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
    })
}

/// Computes the digest of all data anew, and compares each file's with the index.
fn verify(records: &[FileRecord], files: &[File]) -> Result<Work> {
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
    Ok(Work::After {
        bytes: total.bytes(),
        sha256: total.finish(),
        damaged,
        example,
    })
}
