// SPDX-License-Identifier: GPL-2.0

//! Messages as lines of the console.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most bytes of text in a message. The kernel cuts lines of about 1,000 off.
const TEXT_BYTES: usize = 600;

/// The line for a message, without a newline.
///
/// # Errors
///
/// It cannot be written as JSON.
pub fn write<T: Serialize>(prefix: &str, message: &T) -> serde_json::Result<String> {
    Ok(format!("{prefix}{}", serde_json::to_string(message)?))
}

/// Reads a line of the console, if it has a message in it.
#[must_use]
pub fn read<T: DeserializeOwned>(prefix: &str, line: &str) -> Option<serde_json::Result<T>> {
    let (_, text) = line.split_once(prefix)?;
    Some(serde_json::from_str(text.trim_end()))
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
    use super::*;

    const PREFIX: &str = "lu-test: ";

    #[test]
    fn a_message_survives_the_console() {
        let message = "two\nlines and a \"quote\"".to_owned();
        let line = write(PREFIX, &message).unwrap();
        assert!(!line.contains('\n'));
        let seen = format!("[    1.234567] {line}\r");
        assert_eq!(read::<String>(PREFIX, &seen).unwrap().unwrap(), message);
    }

    #[test]
    fn other_lines_are_not_messages_and_broken_ones_are_errors() {
        assert!(read::<String>(PREFIX, "[    0.0] Linux version 7.3").is_none());
        assert!(read::<String>(PREFIX, "lu-test: \"ju").unwrap().is_err());
    }

    #[test]
    fn long_text_fits_into_a_line() {
        let text = shorten(&"ä".repeat(5000));
        assert!(write(PREFIX, &text).unwrap().len() < 900);
        assert_eq!(shorten("short"), "short");
    }
}
