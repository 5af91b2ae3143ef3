// SPDX-License-Identifier: GPL-2.0

//! In the first kernel: preserve, and jump.

use std::fs::File;

use anyhow::Context;
use anyhow::Result;
use liveupdate::Device;
use liveupdate::Outgoing;
use liveupdate::Session;
use liveupdate::SessionName;
use liveupdate::Token;
use liveupdate::kexec;
use lu_bench::NEXT_INITRD_PATH;
use lu_bench::NEXT_KERNEL_PATH;
use lu_bench::mark::Mark;
use lu_bench::message::Anchor;
use lu_bench::message::Before;
use lu_bench::message::Message;
use lu_bench::tsc;
use lu_bench::tsc::Timer;
use lu_bench::work::Fate;
use lu_bench::work::Plan;
use lu_guest::kmsg::Kmsg;
use lu_guest::machine;

use crate::log;
use crate::memory;
use crate::pages;

/// What goes into one session.
struct Content {
    name: SessionName,
    files: Vec<File>,
}

pub(crate) fn run(kmsg: &mut Kmsg, plan: &Plan) -> Result<()> {
    machine::load_next(NEXT_KERNEL_PATH, NEXT_INITRD_PATH)?;
    progress(kmsg, "writing")?;
    let (contents, jumps) = contents(plan)?;
    let mut before = Before {
        jumps,
        checksum: checksum(contents.iter().map(|content| &content.files))?,
        ..Before::default()
    };
    progress(kmsg, "preserving")?;
    let device = Device::open()?;
    let mut held = preserve(&device, &contents, &mut before)?;
    if plan.fate == Fate::Discard {
        let mut timer = Timer::new(Mark::Unpreserve);
        for session in held {
            timer.time(|| drop(session));
        }
        before.unpreserve = Some(timer.ticks);
        // What counts is the first time.
        held = preserve(&device, &contents, &mut Before::default())?;
    }
    drop(device);
    kmsg.say(&Message::Before(before))?;

    let anchor = log::anchor(plan.khz)?;
    let ticks = announce(kmsg, anchor)?;
    while tsc::now() < ticks {}
    Mark::Reboot.say();
    let error = kexec::reboot();
    drop(held);
    Err(error).context("the live update did not happen")
}

/// Says when the reboot call will be, in ticks of the counter. Afterwards it could not be said any more.
fn announce(kmsg: &mut Kmsg, anchor: Anchor) -> Result<u64> {
    /// Far more than it takes to say so, and less than from one timer interrupt to the next.
    const AHEAD: u64 = 1_000_000;
    let mut ahead = AHEAD;
    loop {
        tsc::settle();
        let ticks = tsc::now() + ahead;
        kmsg.say(&Message::Jump { ticks, anchor })?;
        if tsc::now() < ticks {
            return Ok(ticks);
        }
        ahead *= 2;
    }
}

pub(crate) fn progress(kmsg: &mut Kmsg, text: &str) -> Result<()> {
    let text = text.to_owned();
    kmsg.say(&Message::Progress { text })
}

/// Digests all files of all sessions.
pub(crate) fn checksum<'a>(sessions: impl Iterator<Item = &'a Vec<File>>) -> Result<u64> {
    let mut sum: u64 = 0;
    for files in sessions {
        sum = sum.rotate_left(1) ^ memory::checksum(files)?;
    }
    Ok(sum)
}

/// Writes all files, and says how often the frames of contiguous ones jump.
fn contents(plan: &Plan) -> Result<(Vec<Content>, u64)> {
    let Plan { work, seed, .. } = *plan;
    let names = work.session_names()?;
    let mut jumps = 0;
    let contents = (0..)
        .zip(names)
        .map(|(number, name): (u64, _)| {
            let mut files = Vec::new();
            for set in 0..work.sets {
                let seed = seed ^ (number << 48) ^ (set << 24);
                let mut made = memory::files(work.layout, work.pages, seed)?;
                files.append(&mut made.files);
                jumps += made.jumps;
            }
            Ok(Content { name, files })
        })
        .collect::<Result<_>>()?;
    Ok((contents, jumps))
}

/// Creates all sessions, then preserves all files in them.
fn preserve(
    device: &Device,
    contents: &[Content],
    before: &mut Before,
) -> Result<Vec<Session<Outgoing>>> {
    let mut held = Vec::with_capacity(contents.len());
    let free = pages::free()?;
    let mut create = Timer::new(Mark::Create);
    for content in contents {
        let name = content.name.clone();
        held.push(create.time(|| device.create_session(name))?);
    }
    let mut preserve = Timer::new(Mark::Preserve);
    for (session, content) in held.iter().zip(contents) {
        for (file, token) in content.files.iter().zip(1..) {
            preserve.time(|| session.preserve_fd(Token(token), file))?;
        }
    }
    before.metadata_pages = free - pages::free()?;
    before.create = create.ticks;
    before.preserve = preserve.ticks;
    Ok(held)
}
