// SPDX-License-Identifier: GPL-2.0

//! Speaking to the host.

use anyhow::Result;
use lu_demo::message::Message;
use lu_guest::kmsg::Kmsg;

/// The kernel's log, for messages.
#[derive(Debug)]
pub(crate) struct Console<'a> {
    kmsg: &'a mut Kmsg,
}

impl<'a> Console<'a> {
    pub(crate) fn new(kmsg: &'a mut Kmsg) -> Self {
        Self { kmsg }
    }

    /// Says a message.
    pub(crate) fn say(&mut self, message: &Message) -> Result<()> {
        self.kmsg.say(&message.to_line())
    }

    /// Says that something begins which takes a while.
    pub(crate) fn progress(&mut self, text: &str) -> Result<()> {
        self.say(&Message::Progress { text: text.into() })
    }
}
