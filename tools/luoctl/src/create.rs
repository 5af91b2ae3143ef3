// SPDX-License-Identifier: GPL-2.0

//! `luoctl create`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::io::Write;
use std::os::fd::OwnedFd;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use liveupdate::Device;
use liveupdate::Outgoing;
use liveupdate::Session;
use liveupdate::Token;
use liveupdate::kexec;
use serde::Serialize;

use crate::cli;
use crate::cli::Common;
use crate::cli::FileArg;
use crate::hold::Waiter;
use crate::index;
use crate::index::Entry;
use crate::index::SessionEntry;
use crate::output;
use crate::output::Show;
use crate::records::Records;

#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    session: &'a SessionEntry,
    files: &'a [Entry],
}

impl Show for Ready<'_> {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        for file in self.files {
            writeln!(out, "{:>20}  {:>12}  {}", file.token, file.bytes, file.name)?;
        }
        let (files, bytes) = (self.session.files, output::bytes(self.session.bytes));
        writeln!(out, "session {}: {files} files, {bytes}", self.session.name)?;
        writeln!(out, "ready")
    }
}

pub(crate) fn run(args: &cli::Create, common: &Common) -> Result<()> {
    // From here on a signal waits until there is something to end.
    let mut waiter = Waiter::new()?;
    // What can fail without the kernel's part in it fails first.
    let records = Records::open(&common.run_dir)?;
    let loaded = load(&args.files)?;
    if args.kexec.is_some() {
        load_kernel(args)?;
    }

    let device = Device::open_at(&common.device)?;
    let session = device.create_session(args.name.clone())?;
    let files = preserve(&session, loaded)?;
    let summary = SessionEntry {
        name: args.name.to_string(),
        files: files.len(),
        bytes: files.iter().map(|file| file.bytes).sum(),
    };
    index::preserve_files(&session, files.clone())?;
    let index = index::preserve_sessions(&device, vec![summary.clone()])?;
    // Others may want the device; the sessions stay.
    drop(device);

    let note = records.hold(std::slice::from_ref(&summary))?;
    let ready = Ready {
        ready: true,
        session: &summary,
        files: &files,
    };
    output::print(&ready, common.json)?;
    if args.hold {
        waiter.wait_for_end()?;
    } else {
        return Err(kexec::reboot()).context("the live update did not happen");
    }
    // Said plainly: what is closed here is discarded.
    drop((session, index, note));
    Ok(())
}

/// Copies all files into memory.
fn load(files: &[FileArg]) -> Result<Vec<(OwnedFd, Entry)>> {
    let mut tokens = BTreeSet::new();
    for file in files {
        let (token, path) = (file.token, file.path.display());
        ensure!(
            tokens.insert(token),
            "token {token} is given twice, the second time for {path}: each file needs its own"
        );
    }
    files
        .iter()
        .map(|file| index::load(file.token, &file.path))
        .collect()
}

fn preserve(session: &Session<Outgoing>, loaded: Vec<(OwnedFd, Entry)>) -> Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(loaded.len());
    for (fd, entry) in loaded {
        session
            .preserve_fd(Token(entry.token), &fd)
            .with_context(|| format!("preserving {}", entry.name))?;
        entries.push(entry);
    }
    Ok(entries)
}

fn load_kernel(args: &cli::Create) -> Result<()> {
    let Some(image) = &args.kexec else {
        return Ok(());
    };
    let open = |path: &std::path::Path| {
        File::open(path).with_context(|| format!("opening {}", path.display()))
    };
    let initrd = args.initrd.as_deref().map(open).transpose()?;
    let cmdline = match &args.cmdline {
        Some(cmdline) => cmdline.clone(),
        None => std::fs::read_to_string("/proc/cmdline").context("reading /proc/cmdline")?,
    };
    kexec::load(open(image)?, initrd, cmdline.trim_end())
        .with_context(|| format!("loading {}", image.display()))
}
