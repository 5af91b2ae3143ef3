// SPDX-License-Identifier: GPL-2.0

//! In the first kernel: preserve, and jump.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use liveupdate::Device;
use liveupdate::Outgoing;
use liveupdate::Session;
use liveupdate::Token;
use lu_demo::data;
use lu_demo::digest;
use lu_demo::digest::Total;
use lu_demo::files;
use lu_demo::files::BIG_SESSION;
use lu_demo::files::FILES_PATH;
use lu_demo::files::FileRecord;
use lu_demo::files::INDEX_SESSION;
use lu_demo::files::Index;
use lu_demo::files::Work;
use lu_demo::guest;
use lu_demo::guest::Timer;
use lu_demo::guest::memfd;
use lu_demo::guest::progress;
use lu_guest::kmsg::Kmsg;
use lu_guest::machine;

/// A file in memory, on its way to the next kernel.
struct Memory {
    file: File,
    record: FileRecord,
}

pub(crate) fn run(kmsg: &mut Kmsg, seed: u64, sessions: u32, big_bytes: u64) -> Result<()> {
    progress(kmsg, "reading the files into memory")?;
    let mut memories = load_files(sessions)?;
    progress(
        kmsg,
        &format!("making {} MiB from seed {seed:#018x}", big_bytes >> 20),
    )?;
    memories.push(big_file(seed, big_bytes)?);

    progress(kmsg, "computing SHA-256 of all data")?;
    let mut total = Total::default();
    for memory in &mut memories {
        let FileRecord {
            session,
            token,
            path,
            bytes,
            ..
        } = &memory.record;
        memory.record.sha256 = digest::add_file(&mut total, session, *token, &memory.file, *bytes)
            .with_context(|| format!("reading {path} back from memory"))?;
    }
    let (files, bytes, sha256) = (total.files(), total.bytes(), total.finish());
    guest::report(kmsg, Work::Before { sha256 })?;

    progress(kmsg, "preserving")?;
    let device = Device::open()?;
    let mut timer = Timer::default();
    let mut held = preserve(&device, &memories, &mut timer)?;
    let index = index_file(&memories)?;
    let session = timer.time(|| device.create_session(INDEX_SESSION))?;
    timer.time(|| session.preserve_fd(Token(1), &index))?;
    held.push(session);
    let preserved = Work::Preserved {
        sessions: held.len() as u64,
        files,
        bytes,
        micros: timer.micros(),
    };
    guest::report(kmsg, preserved)?;
    guest::live_update(kmsg, held)
}

/// Reads all files from the initramfs into memfds.
fn load_files(sessions: u32) -> Result<Vec<Memory>> {
    let root = Path::new(FILES_PATH);
    let mut paths = Vec::new();
    walk(root, &mut paths).with_context(|| format!("listing {FILES_PATH}"))?;
    paths.sort();
    let load = |(number, path): (usize, &PathBuf)| {
        let name = path
            .strip_prefix(root)
            .unwrap_or(path)
            .display()
            .to_string();
        let (session, token) = files::place(number, sessions);
        let mut source = File::open(path).with_context(|| format!("opening {name}"))?;
        let mut file = memfd(&name)?;
        let bytes = io::copy(&mut source, &mut file).with_context(|| format!("copying {name}"))?;
        let record = record(session, token, name, bytes);
        Ok(Memory { file, record })
    };
    paths.iter().enumerate().map(load).collect()
}

fn walk(dir: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}

/// Makes the large file.
fn big_file(seed: u64, bytes: u64) -> Result<Memory> {
    let mut file = memfd("big")?;
    data::generate(seed, bytes, |chunk| file.write_all(chunk)).context("filling the large file")?;
    let name = format!("{} MiB from seed {seed:#018x}", bytes >> 20);
    let record = record(BIG_SESSION.to_owned(), 1, name, bytes);
    Ok(Memory { file, record })
}

fn record(session: String, token: u64, path: String, bytes: u64) -> FileRecord {
    FileRecord {
        session,
        token,
        path,
        bytes,
        sha256: String::new(),
    }
}

/// Puts every file into its session. The sessions live as long as the result.
fn preserve(
    device: &Device,
    memories: &[Memory],
    timer: &mut Timer,
) -> Result<Vec<Session<Outgoing>>> {
    let mut sessions: BTreeMap<&str, Session<Outgoing>> = BTreeMap::new();
    for Memory { file, record } in memories {
        let name = record.session.as_str();
        if !sessions.contains_key(name) {
            let session = timer.time(|| device.create_session(name))?;
            sessions.insert(name, session);
        }
        let session = &sessions[name];
        timer
            .time(|| session.preserve_fd(Token(record.token), file))
            .with_context(|| format!("preserving {}", record.path))?;
    }
    Ok(sessions.into_values().collect())
}

fn index_file(memories: &[Memory]) -> Result<File> {
    let index = Index {
        release: machine::release(),
        files: memories
            .iter()
            .map(|memory| memory.record.clone())
            .collect(),
    };
    let mut file = memfd("index")?;
    file.write_all(&serde_json::to_vec(&index)?)
        .context("writing the index")?;
    Ok(file)
}
