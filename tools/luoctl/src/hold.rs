// SPDX-License-Identifier: GPL-2.0

//! Staying until told otherwise.

use std::io;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;

use anyhow::Context;
use anyhow::Result;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::fs::FileType;
use rustix::pipe::PipeFlags;
use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::low_level::pipe;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// SIGTERM or SIGINT.
    Stop,
    /// The end of standard input, where that says something.
    EndOfInput,
    /// Enter, or SIGHUP.
    Again,
}

/// What luoctl listens to while it waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    stop: OwnedFd,
    again: OwnedFd,
    /// Whether standard input is one that somebody may write to or close.
    input: bool,
}

impl Waiter {
    /// Starts listening. Signals that come before a wait end it at once.
    pub(crate) fn new() -> Result<Self> {
        // Pipes, because a kernel for virtual machines may do without sockets.
        let listen = |signals: &[i32]| -> io::Result<OwnedFd> {
            let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            for &signal in signals {
                pipe::register(signal, writer.try_clone()?)?;
            }
            Ok(reader)
        };
        Ok(Self {
            stop: listen(&[SIGTERM, SIGINT]).context("listening for SIGTERM")?,
            again: listen(&[SIGHUP]).context("listening for SIGHUP")?,
            input: input_matters(),
        })
    }

    /// Waits for the next event.
    pub(crate) fn wait(&mut self) -> Result<Wake> {
        loop {
            let stdin = io::stdin();
            let mut fds = vec![
                PollFd::new(&self.stop, PollFlags::IN),
                PollFd::new(&self.again, PollFlags::IN),
            ];
            if self.input {
                fds.push(PollFd::new(&stdin, PollFlags::IN));
            }
            match rustix::event::poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.context("waiting for a signal")?,
            };
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);

            if ready[0] {
                rustix::io::read(&self.stop, &mut [0; 64])?;
                return Ok(Wake::Stop);
            }
            if ready[1] {
                rustix::io::read(&self.again, &mut [0; 64])?;
                return Ok(Wake::Again);
            }
            if ready.get(2) == Some(&true) {
                let mut bytes = [0; 256];
                // A descriptor of its own, lest the standard library's buffer hides bytes from poll.
                let count = rustix::io::read(stdin.as_fd(), &mut bytes).unwrap_or(0);
                if count == 0 {
                    self.input = false;
                    return Ok(Wake::EndOfInput);
                }
                if bytes[..count].contains(&b'\n') {
                    return Ok(Wake::Again);
                }
            }
        }
    }

    /// Waits for what ends a hold.
    pub(crate) fn wait_for_end(&mut self) -> Result<()> {
        while self.wait()? == Wake::Again {}
        Ok(())
    }
}

/// Whether an end of standard input is a message: /dev/null and files are at their end by nature.
fn input_matters() -> bool {
    let stdin = io::stdin();
    let kind = rustix::fs::fstat(&stdin).map(|stat| FileType::from_raw_mode(stat.st_mode));
    stdin.is_terminal() || matches!(kind, Ok(FileType::Fifo | FileType::Socket))
}
