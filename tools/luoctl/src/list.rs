// SPDX-License-Identifier: GPL-2.0

//! `luoctl list`.

use std::io;
use std::io::Write;

use anyhow::Result;
use liveupdate::Device;
use liveupdate::Error;
use serde::Serialize;

use crate::cli::Common;
use crate::index;
use crate::index::SessionEntry;
use crate::output;
use crate::output::Show;
use crate::records::IncomingSession;
use crate::records::Records;
use crate::records::State;

#[derive(Serialize)]
struct List {
    outgoing: Vec<SessionEntry>,
    incoming: Vec<IncomingSession>,
    /// Why the previous kernel's index could not be looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Show for List {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(note) = &self.note {
            writeln!(out, "note: {note}")?;
        }
        if self.outgoing.is_empty() && self.incoming.is_empty() {
            return writeln!(out, "no session that luoctl knows of");
        }
        for session in &self.outgoing {
            let (files, bytes) = (session.files, output::bytes(session.bytes));
            let name = &session.name;
            writeln!(out, "outgoing  {name}  {files} files  {bytes}  held")?;
        }
        for IncomingSession {
            session,
            from,
            state,
        } in &self.incoming
        {
            let (files, bytes) = (session.files, output::bytes(session.bytes));
            let name = &session.name;
            let state = match state {
                State::Waiting => "waiting",
                State::Taken => "taken",
                State::Finished => "finished",
            };
            writeln!(
                out,
                "incoming  {name}  {files} files  {bytes}  {state}, from {from}"
            )?;
        }
        Ok(())
    }
}

pub(crate) fn run(common: &Common) -> Result<()> {
    let records = Records::open(&common.run_dir)?;
    let note = match Device::open_at(&common.device) {
        Ok(device) => {
            learn(&device, &records)?;
            None
        }
        // The notes are there all the same.
        Err(error @ Error::DeviceBusy { .. }) => Some(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    let list = List {
        outgoing: records.held()?,
        incoming: records.incoming(),
        note,
    };
    output::print(&list, common.json)
}

/// Reads the previous kernel's index, which is possible once, and writes it down.
pub(crate) fn learn(device: &Device, records: &Records) -> Result<()> {
    let mut incoming = records.incoming();
    let known = incoming.len();
    // If notes cannot be written, better to find out before the index is taken.
    records.set_incoming(&incoming)?;
    let found = index::retrieve_sessions(device)?;
    for (_, index) in &found {
        for session in &index.sessions {
            incoming.push(IncomingSession {
                session: session.clone(),
                from: index.release.clone(),
                state: State::Waiting,
            });
        }
    }
    if incoming.len() > known {
        records.set_incoming(&incoming)?;
    }
    for (session, _) in found {
        session.finish().map_err(Error::from)?;
    }
    Ok(())
}
