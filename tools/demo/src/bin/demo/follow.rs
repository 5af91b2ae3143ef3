// SPDX-License-Identifier: GPL-2.0

//! Follows the guest from its first line to its last.

use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use lu_demo::message::Message;
use lu_guest::message::ConsoleMessage;
use lu_vm::Vm;

use crate::report;

/// What the two kernels said, with what the host's clock adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) from: String,
    pub(crate) to: String,
    /// What the second kernel found out about the first.
    pub(crate) from_by_index: String,
    pub(crate) preserved: Preserved,
    pub(crate) retrieved: Retrieved,
    pub(crate) before: String,
    pub(crate) after: After,
    /// From the line before the reboot call to the first line of userspace.
    pub(crate) blackout: Duration,
    pub(crate) log: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preserved {
    pub(crate) sessions: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retrieved {
    pub(crate) sessions: u64,
    pub(crate) files: u64,
    pub(crate) moved: u64,
    pub(crate) time: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) damaged: u64,
    pub(crate) example: Option<String>,
}

/// Follows a guest that was just started.
pub(crate) fn run(vm: Vm, clock: Instant) -> Result<Outcome> {
    let mut guest = Guest { vm, clock };

    let (from, _) = guest.hello("the first kernel")?;
    let (before, _) = guest.expect("its SHA-256", |message| match message {
        Message::Before { sha256 } => Some(sha256),
        _ => None,
    })?;
    report::step(clock, &format!("  before: SHA-256 {before}"));
    let (preserved, _) = guest.expect("that all is preserved", |message| match message {
        Message::Preserved {
            sessions,
            files,
            bytes,
            micros,
        } => Some(Preserved {
            sessions,
            files,
            bytes,
            time: Duration::from_micros(micros),
        }),
        _ => None,
    })?;
    let ((), jumped) = guest.expect("that it jumps", |message| {
        matches!(message, Message::Jump).then_some(())
    })?;
    report::step(clock, "reboot into the second kernel");
    let (to, arrived) = guest.hello("the second kernel")?;
    let ((from_by_index, retrieved), _) =
        guest.expect("that all is back", |message| match message {
            Message::Retrieved {
                from,
                sessions,
                files,
                moved,
                micros,
            } => {
                let time = Duration::from_micros(micros);
                Some((
                    from,
                    Retrieved {
                        sessions,
                        files,
                        moved,
                        time,
                    },
                ))
            }
            _ => None,
        })?;
    let (after, _) = guest.expect("its SHA-256", |message| match message {
        Message::After {
            sha256,
            bytes,
            damaged,
            example,
        } => Some(After {
            sha256,
            bytes,
            damaged,
            example,
        }),
        _ => None,
    })?;
    report::step(clock, &format!("  after:  SHA-256 {}", after.sha256));
    let transcript = guest.vm.finish()?;
    Ok(Outcome {
        from,
        to,
        from_by_index,
        preserved,
        retrieved,
        before,
        after,
        blackout: arrived.duration_since(jumped),
        log: transcript.log().to_path_buf(),
    })
}

struct Guest {
    vm: Vm,
    clock: Instant,
}

impl Guest {
    /// Waits for the first word of a kernel's userspace.
    fn hello(&mut self, who: &str) -> Result<(String, Instant)> {
        let (release, when) =
            self.expect(&format!("hello from {who}"), |message| match message {
                Message::Hello { release } => Some(release),
                _ => None,
            })?;
        report::step(self.clock, &format!("{who} is up: {release}"));
        Ok((release, when))
    }

    /// Waits for a message, shows progress meanwhile, and takes the time at which it came.
    fn expect<T>(
        &mut self,
        what: &str,
        accept: impl Fn(Message) -> Option<T>,
    ) -> Result<(T, Instant)> {
        loop {
            let line = self
                .vm
                .wait_for(Message::PREFIX)
                .with_context(|| format!("waiting for the guest to say {what}"))?;
            let when = Instant::now();
            let Some(message) = Message::from_line(&line) else {
                continue;
            };
            match message.with_context(|| format!("the console garbled a message: {line}"))? {
                Message::Progress { text } => report::step(self.clock, &format!("  {text}")),
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
