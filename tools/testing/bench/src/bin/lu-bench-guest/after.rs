// SPDX-License-Identifier: GPL-2.0

//! In the second kernel: retrieve or discard.

use std::fs::File;

use anyhow::Context;
use anyhow::Result;
use liveupdate::Device;
use liveupdate::Incoming;
use liveupdate::Session;
use liveupdate::Token;
use lu_bench::mark::Mark;
use lu_bench::message::After;
use lu_bench::message::Message;
use lu_bench::tsc::Timer;
use lu_bench::work::Fate;
use lu_bench::work::Plan;
use lu_guest::kmsg::Kmsg;

use crate::before::checksum;
use crate::before::progress;
use crate::log;
use crate::log::Log;
use crate::pages;

pub(crate) fn run(kmsg: &mut Kmsg, plan: &Plan, user: u64) -> Result<()> {
    let anchor = log::anchor(plan.khz)?;
    let ahead = log::ahead()?;
    let (first, memory) = boot_times()?;
    progress(kmsg, "retrieving")?;
    let names = plan.work.session_names()?;

    let mut open = Timer::new(Mark::Open);
    let device = open.time(Device::open)?;
    let mut sessions = Timer::new(Mark::SessionRetrieve);
    let mut taken = Vec::with_capacity(names.len());
    for name in names {
        taken.push(sessions.time(|| device.retrieve_session(name))?);
    }
    let mut files = Timer::new(Mark::FdRetrieve);
    let retrieved = match plan.fate {
        Fate::Keep => retrieve(&taken, plan, &mut files)?,
        Fate::Discard => Vec::new(),
    };
    let free = pages::free()?;
    let mut finish = Timer::new(Mark::Finish);
    for session in taken {
        finish
            .time(|| session.finish())
            .map_err(liveupdate::Error::from)?;
    }
    let freed_pages = pages::free()? - free;
    let checksum = match plan.fate {
        Fate::Keep => {
            progress(kmsg, "verifying")?;
            Some(checksum(retrieved.iter())?)
        }
        Fate::Discard => None,
    };
    let after = After {
        user,
        anchor,
        ahead,
        first,
        memory,
        open: open.ticks,
        sessions: sessions.ticks,
        files: files.ticks,
        finish: finish.ticks,
        checksum,
        freed_pages,
    };
    kmsg.say(&Message::After(after))
}

/// Retrieves all files of all sessions.
fn retrieve(
    sessions: &[Session<Incoming>],
    plan: &Plan,
    timer: &mut Timer,
) -> Result<Vec<Vec<File>>> {
    let count = plan.work.files_each();
    let mut all = Vec::with_capacity(sessions.len());
    for session in sessions {
        let mut files = Vec::with_capacity(usize::try_from(count)?);
        for token in 1..=count {
            let fd = timer.time(|| session.retrieve_fd(Token(token)))?;
            files.push(File::from(fd));
        }
        all.push(files);
    }
    Ok(all)
}

/// What the kernel says right after its page allocator took over from the boot allocator. The line that
/// says how much memory there is comes later, when struct pages are initialised by threads.
const PAGE_ALLOCATOR_IS_UP: &str = "SLUB: ";

/// The times of the first line with a time, and of that about the page allocator.
fn boot_times() -> Result<(u64, u64)> {
    let mut log = Log::open()?;
    let mut first = None;
    while let Some(record) = log.next()? {
        if record.micros > 0 {
            first.get_or_insert(record.micros);
        }
        if record.text.starts_with(PAGE_ALLOCATOR_IS_UP) {
            let first = first.context("no line of the log before that of SLUB has a time")?;
            return Ok((first, record.micros));
        }
    }
    anyhow::bail!("the log does not say when the page allocator was up")
}
