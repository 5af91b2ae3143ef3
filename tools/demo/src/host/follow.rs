// SPDX-License-Identifier: GPL-2.0

//! Follows a guest from its first line to its last.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use lu_guest::message::ConsoleMessage;
use lu_vm::Vm;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::report;
use crate::message::Message;

/// A guest that was just started. `W` is what it has to say besides what all do.
pub struct Guest<W> {
    vm: Vm,
    clock: Instant,
    work: PhantomData<fn() -> W>,
}

/// A kernel that has followed another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its `uname -r`.
    pub release: String,
    /// From the line before the reboot call to the first line of userspace.
    pub blackout: Duration,
}

/// What only one of the demos has its guest say.
pub trait Work: Clone + fmt::Debug + Serialize + DeserializeOwned {}

impl<W: Clone + fmt::Debug + Serialize + DeserializeOwned> Work for W {}

impl<W: Work> Guest<W> {
    /// Follows `vm`. Progress is shown with the time since `clock`.
    pub(super) fn new(vm: Vm, clock: Instant) -> Self {
        Self {
            vm,
            clock,
            work: PhantomData,
        }
    }

    /// Says what happens.
    pub fn step(&self, text: &str) {
        report::step(self.clock, text);
    }

    /// Waits for the first word of the first kernel's userspace: its `uname -r`.
    ///
    /// # Errors
    ///
    /// The guest says something else, fails, or is silent for too long.
    pub fn first_hello(&mut self) -> Result<String> {
        Ok(self.hello("the first kernel")?.0)
    }

    /// Waits for the jump, and for the first word of the second kernel's userspace.
    ///
    /// # Errors
    ///
    /// As with [`Self::first_hello`].
    pub fn arrival(&mut self) -> Result<Arrival> {
        let ((), jumped) = self.expect("that it jumps", |message| {
            matches!(message, Message::Jump).then_some(())
        })?;
        self.step("reboot into the second kernel");
        let (release, arrived) = self.hello("the second kernel")?;
        Ok(Arrival {
            release,
            blackout: arrived.duration_since(jumped),
        })
    }

    /// Waits for the guest to say what it has done; `what` says what that should be.
    ///
    /// # Errors
    ///
    /// As with [`Self::first_hello`].
    pub fn work<T>(&mut self, what: &str, accept: impl Fn(W) -> Option<T>) -> Result<T> {
        let (found, _) = self.expect(what, |message| match message {
            Message::Work(work) => accept(work),
            _ => None,
        })?;
        Ok(found)
    }

    /// Waits for the guest's end. Gives the path of the console's log.
    ///
    /// # Errors
    ///
    /// The guest does not end, or a kernel has complained.
    pub fn finish(self) -> Result<PathBuf> {
        Ok(self.vm.finish()?.log().to_path_buf())
    }

    fn hello(&mut self, who: &str) -> Result<(String, Instant)> {
        let (release, when) =
            self.expect(&format!("hello from {who}"), |message| match message {
                Message::Hello { release } => Some(release),
                _ => None,
            })?;
        self.step(&format!("{who} is up: {release}"));
        Ok((release, when))
    }

    /// Waits for a message, shows progress meanwhile, and takes the time at which it came.
    fn expect<T>(
        &mut self,
        what: &str,
        accept: impl Fn(Message<W>) -> Option<T>,
    ) -> Result<(T, Instant)> {
        loop {
            let line = self
                .vm
                .wait_for(Message::<W>::PREFIX)
                .with_context(|| format!("waiting for the guest to say {what}"))?;
            let when = Instant::now();
            let Some(message) = Message::<W>::from_line(&line) else {
                continue;
            };
            match message.with_context(|| format!("the console garbled a message: {line}"))? {
                Message::Progress { text } => self.step(&format!("  {text}")),
                Message::Failed { error, help } => {
                    let help = help.map(|help| format!("\n  help: {help}"));
                    bail!("in the guest: {error}{}", help.unwrap_or_default());
                }
                message => match accept(message.clone()) {
                    Some(found) => return Ok((found, when)),
                    None => bail!("expected the guest to say {what}, it said {message:?}"),
                },
            }
        }
    }
}
