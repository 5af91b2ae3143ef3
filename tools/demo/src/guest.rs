// SPDX-License-Identifier: GPL-2.0

//! What the guests' programs share.

use std::fs::File;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use liveupdate::kexec;
use lu_guest::init;
use lu_guest::kmsg::Kmsg;
use lu_guest::machine;
use rustix::fs::MemfdFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::Message;

/// Where a guest finds what it is to do.
pub const PLAN_PATH: &str = "/demo/plan.json";
/// Where the first kernel finds the second.
pub const NEXT_KERNEL_PATH: &str = "/demo/next/kernel";
/// Where the first kernel finds the initial ramdisk of the second.
pub const NEXT_INITRD_PATH: &str = "/demo/next/initrd";

/// Runs `work` as the init of a virtual machine.
pub fn run<P: DeserializeOwned>(work: impl FnOnce(&mut Kmsg, P) -> Result<()>) -> ExitCode {
    let hello = Message::<()>::Hello {
        release: machine::release(),
    };
    init::run(PLAN_PATH, &hello, work)
}

/// Says that something begins which takes a while.
///
/// # Errors
///
/// The kernel does not take it.
pub fn progress(kmsg: &mut Kmsg, text: &str) -> Result<()> {
    kmsg.say(&Message::<()>::Progress { text: text.into() })
}

/// Says what was done.
///
/// # Errors
///
/// The kernel does not take it.
pub fn report<W: Serialize + DeserializeOwned>(kmsg: &mut Kmsg, work: W) -> Result<()> {
    kmsg.say(&Message::Work(work))
}

/// Goes on to the next kernel, with `held` open until it begins. Comes back only if that is impossible.
///
/// # Errors
///
/// The kernel cannot be loaded, or refuses to go.
pub fn live_update<T>(kmsg: &mut Kmsg, held: T) -> Result<()> {
    progress(kmsg, "loading the next kernel")?;
    machine::load_next(NEXT_KERNEL_PATH, NEXT_INITRD_PATH)?;
    kmsg.say(&Message::<()>::Jump)?;
    let error = kexec::reboot();
    drop(held);
    Err(error).context("the live update did not happen")
}

/// Makes an empty memfd.
///
/// # Errors
///
/// The kernel refuses.
pub fn memfd(name: &str) -> Result<File> {
    // The name is only for people, and the kernel takes 249 bytes.
    let short: String = name.chars().take(60).collect();
    let fd = rustix::fs::memfd_create(short, MemfdFlags::CLOEXEC)
        .with_context(|| format!("making a memfd for {name}"))?;
    Ok(File::from(fd))
}

/// Adds up the time that calls into the kernel take.
#[derive(Debug, Default)]
pub struct Timer {
    sum: Duration,
}

impl Timer {
    /// Makes a call, and takes its time.
    pub fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = call();
        self.sum += start.elapsed();
        result
    }

    /// All of it, in microseconds.
    #[must_use]
    pub fn micros(&self) -> u64 {
        u64::try_from(self.sum.as_micros()).unwrap_or(u64::MAX)
    }
}
