// SPDX-License-Identifier: GPL-2.0

//! What a guest says to the host.

use lu_guest::message::ConsoleMessage;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message. `W` is what only one of the demos has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Message<W> {
    /// The first thing that userspace does.
    Hello {
        /// `uname -r`.
        release: String,
    },
    /// Something that takes a while begins.
    Progress {
        /// What.
        text: String,
    },
    /// Something was done. In JSON its fields are beside `event`, so it must not have one of that name.
    Work(W),
    /// The next thing is the reboot call.
    Jump,
    /// It is all over.
    Failed {
        /// What happened.
        error: String,
        /// What to do.
        help: Option<String>,
    },
}

impl<W: Serialize + DeserializeOwned> ConsoleMessage for Message<W> {
    const PREFIX: &'static str = "lu-demo: ";

    fn failed(error: String, help: Option<String>) -> Self {
        Self::Failed { error, help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Work;

    #[test]
    fn work_survives_the_console() {
        let message = Message::Work(Work::Before {
            sha256: "ab".to_owned(),
        });
        let line = message.to_line();
        assert_eq!(
            line,
            r#"lu-demo: {"event":"work","what":"before","sha256":"ab"}"#
        );
        assert_eq!(Message::from_line(&line).unwrap().unwrap(), message);
    }

    #[test]
    fn what_all_demos_say_is_understood_by_each() {
        let line = Message::<()>::Jump.to_line();
        let understood: Message<Work> = Message::from_line(&line).unwrap().unwrap();
        assert_eq!(understood, Message::Jump);
    }
}
