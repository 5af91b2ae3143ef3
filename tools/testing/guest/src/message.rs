// SPDX-License-Identifier: GPL-2.0

//! Messages as lines of the console.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most bytes of text in a message. The kernel cuts lines of about 1,000 off.
const TEXT_BYTES: usize = 600;

/// What a program in a guest says to the host.
pub trait ConsoleMessage: Serialize + DeserializeOwned {
    /// What a line with a message has in front of it.
    const PREFIX: &'static str;

    /// Says that something has failed, and what to do about it.
    fn failed(error: String, help: Option<String>) -> Self;

    /// The line for a message, without a newline.
    ///
    /// # Panics
    ///
    /// It cannot be written as JSON; numbers, strings and structures of them can.
    fn to_line(&self) -> String {
        let text = serde_json::to_string(self).expect("a message can be written as JSON");
        format!("{}{text}", Self::PREFIX)
    }

    /// Reads a line of the console, if it has a message in it.
    #[must_use]
    fn from_line(line: &str) -> Option<serde_json::Result<Self>> {
        let (_, text) = line.split_once(Self::PREFIX)?;
        Some(serde_json::from_str(text.trim_end()))
    }
}

/// The beginning of a text that may be long.
#[must_use]
pub fn shorten(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let end = (0..=TEXT_BYTES).rev().find(|&at| text.is_char_boundary(at));
    format!("{}...", &text[..end.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Text(String);

    impl ConsoleMessage for Text {
        const PREFIX: &'static str = "lu-test: ";

        fn failed(error: String, _: Option<String>) -> Self {
            Self(error)
        }
    }

    #[test]
    fn a_message_survives_the_console() {
        let message = Text("two\nlines and a \"quote\"".to_owned());
        let line = message.to_line();
        assert!(!line.contains('\n'));
        let seen = format!("[    1.234567] {line}\r");
        assert_eq!(Text::from_line(&seen).unwrap().unwrap(), message);
    }

    #[test]
    fn other_lines_are_not_messages_and_broken_ones_are_errors() {
        assert!(Text::from_line("[    0.0] Linux version 7.3").is_none());
        assert!(Text::from_line("lu-test: \"ju").unwrap().is_err());
    }

    #[test]
    fn long_text_fits_into_a_line() {
        let text = shorten(&"ä".repeat(5000));
        assert!(Text(text).to_line().len() < 900);
        assert_eq!(shorten("short"), "short");
    }
}
