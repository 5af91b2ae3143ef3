// SPDX-License-Identifier: GPL-2.0

//! `luoctl retrieve` and `luoctl finish`.

use std::fs::File;
use std::io;
use std::io::Seek;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use liveupdate::Device;
use liveupdate::Incoming;
use liveupdate::Session;
use liveupdate::SessionName;
use liveupdate::Token;
use rustix::fs::Mode;
use serde::Serialize;

use crate::cli;
use crate::cli::Common;
use crate::hold::Waiter;
use crate::hold::Wake;
use crate::index;
use crate::index::Entry;
use crate::list;
use crate::memfd;
use crate::output;
use crate::output::Show;
use crate::records::Records;
use crate::records::State;

/// A file that was written out.
#[derive(Serialize)]
struct Written {
    token: u64,
    path: PathBuf,
    bytes: u64,
    sha256: String,
    /// Whether the digest is the one that was noted before the update; unknown without an index.
    verified: Option<bool>,
}

#[derive(Serialize)]
struct Retrieved<'a> {
    session: String,
    files: &'a [Written],
    ready: bool,
}

impl Show for Retrieved<'_> {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        for file in self.files {
            let (token, bytes, path) = (file.token, file.bytes, file.path.display());
            let verdict = match file.verified {
                Some(true) => "SHA-256 as before",
                Some(false) => "SHA-256 DIFFERS",
                None => "no SHA-256 to compare",
            };
            writeln!(out, "{token:>20}  {bytes:>12}  {path}  {verdict}")?;
        }
        writeln!(out, "session {}: {} files", self.session, self.files.len())?;
        if self.ready {
            writeln!(out, "ready")?;
        }
        Ok(())
    }
}

/// What to write where.
struct Job {
    token: Token,
    path: PathBuf,
    entry: Option<Entry>,
}

pub(crate) fn run(args: &cli::Retrieve, common: &Common) -> Result<()> {
    let mut waiter = Waiter::new()?;
    let records = Records::open(&common.run_dir)?;
    if let Some(dir) = &args.out_dir {
        ensure!(dir.is_dir(), "{} is not a directory", dir.display());
    }
    let session = take(&args.name, common, &records)?;

    let mut retry = |error: &anyhow::Error| -> Result<()> {
        output::error(error, common.json);
        eprintln!(
            "luoctl: session {} is kept: put it right and press Enter or send SIGHUP to try again; \
             SIGTERM discards it",
            args.name
        );
        loop {
            match waiter.wait()? {
                Wake::Again => return Ok(()),
                Wake::EndOfInput => {}
                Wake::Stop => bail!("gave up: session {} is discarded", args.name),
            }
        }
    };
    let files = loop {
        match write_out(&session, args) {
            Ok(files) => break files,
            Err(error) => retry(&error)?,
        }
    };
    let retrieved = Retrieved {
        session: args.name.to_string(),
        files: &files,
        ready: args.hold,
    };
    output::print(&retrieved, common.json)?;
    if args.hold {
        waiter.wait_for_end()?;
    }
    end(session, &records)?;
    let damaged = files.iter().filter(|file| file.verified == Some(false));
    match damaged.count() {
        0 => Ok(()),
        count => bail!("{count} files are not what was preserved"),
    }
}

pub(crate) fn finish(name: &SessionName, common: &Common) -> Result<()> {
    let records = Records::open(&common.run_dir)?;
    let session = take(name, common, &records)?;
    end(session, &records)?;
    if !common.json {
        println!("session {name}: finished");
    }
    Ok(())
}

/// Retrieves a session, having saved what the index says of the others.
fn take(name: &SessionName, common: &Common, records: &Records) -> Result<Session<Incoming>> {
    let device = Device::open_at(&common.device)?;
    list::learn(&device, records)?;
    let session = device.retrieve_session(name.clone())?;
    records.set_state(&name.to_string(), State::Taken)?;
    Ok(session)
}

fn end(session: Session<Incoming>, records: &Records) -> Result<()> {
    let name = session.name().to_string();
    session.finish().map_err(liveupdate::Error::from)?;
    records.set_state(&name, State::Finished)
}

fn write_out(session: &Session<Incoming>, args: &cli::Retrieve) -> Result<Vec<Written>> {
    let index = index::retrieve_files(session)?.map(|index| index.files);
    jobs(index, args)?
        .iter()
        .map(|job| {
            write_one(session, job)
                .with_context(|| format!("writing token {} to {}", job.token, job.path.display()))
        })
        .collect()
}

fn jobs(index: Option<Vec<Entry>>, args: &cli::Retrieve) -> Result<Vec<Job>> {
    if let (Some(token), Some(path)) = (args.tokens, &args.out) {
        let files = index.unwrap_or_default();
        return Ok(vec![Job {
            token,
            path: path.clone(),
            entry: files.into_iter().find(|file| file.token == token.0),
        }]);
    }
    let files = index.with_context(|| {
        format!(
            "session {} has no index, so luoctl did not make it: name its files by --token",
            args.name
        )
    })?;
    let dir = args.out_dir.as_deref().context("--all needs --out-dir")?;
    plan(files, dir)
}

/// Chooses a path for each file. Names that occur twice get their token appended.
fn plan(files: Vec<Entry>, dir: &Path) -> Result<Vec<Job>> {
    let names = files
        .iter()
        .map(|file| file.file_name().map(str::to_owned))
        .collect::<Result<Vec<_>>>()?;
    let jobs = files.into_iter().zip(&names).map(|(file, name)| {
        let unique = names.iter().filter(|other| *other == name).count() == 1;
        let path = match unique {
            true => dir.join(name),
            false => dir.join(format!("{name}.{}", file.token)),
        };
        Job {
            token: Token(file.token),
            path,
            entry: Some(file),
        }
    });
    Ok(jobs.collect())
}

/// Writes one file so that it is there whole or not at all.
fn write_one(session: &Session<Incoming>, job: &Job) -> Result<Written> {
    let mut source = File::from(session.retrieve_fd(job.token)?);
    source.rewind().context("the file cannot be read")?;
    let dir = match job.path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let mut target = tempfile::NamedTempFile::new_in(dir)?;
    let copied = memfd::copy(&mut source, &mut target)?;
    if let Some(entry) = &job.entry {
        // Neither set-user-ID bits nor the like come back by themselves.
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        rustix::fs::fchmod(target.as_file(), mode)?;
        let mtime = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(
            entry.mtime.try_into().unwrap_or(0),
        ));
        if let Some(mtime) = mtime {
            target.as_file().set_modified(mtime)?;
        }
    }
    target.as_file().sync_all()?;
    target.persist(&job.path)?;
    Ok(Written {
        token: job.token.0,
        path: job.path.clone(),
        bytes: copied.bytes,
        verified: job
            .entry
            .as_ref()
            .map(|entry| entry.sha256 == copied.sha256),
        sha256: copied.sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(token: u64, name: &str) -> Entry {
        Entry {
            token,
            name: name.into(),
            bytes: 0,
            mode: 0,
            mtime: 0,
            sha256: String::new(),
        }
    }

    #[test]
    fn files_of_the_same_name_do_not_overwrite_each_other() {
        let files = vec![entry(1, "/a/x"), entry(2, "/b/x"), entry(3, "/b/y")];
        let jobs = plan(files, Path::new("/out")).unwrap();
        let paths: Vec<_> = jobs.iter().map(|job| job.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/out/x.1", "/out/x.2", "/out/y"]);
    }

    #[test]
    fn no_file_is_written_outside_the_directory() {
        let jobs = plan(vec![entry(1, "../../etc/passwd")], Path::new("/out")).unwrap();
        assert_eq!(jobs[0].path, Path::new("/out/passwd"));
        assert!(plan(vec![entry(1, "..")], Path::new("/out")).is_err());
    }
}
