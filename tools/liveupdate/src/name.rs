// SPDX-License-Identifier: MIT OR Apache-2.0

//! Session names and file tokens.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::abi::SESSION_NAME_LENGTH;

/// The name of a session: 1 to 63 bytes, none of them NUL.
///
/// The kernel compares names byte by byte and asks for no encoding. Names that are not UTF-8 are
/// shown with their odd bytes escaped.
///
/// ```
/// use liveupdate::SessionName;
///
/// let name: SessionName = "vm-42".parse()?;
/// assert_eq!(name.to_string(), "vm-42");
/// assert!(SessionName::new("").is_err());
/// assert!(SessionName::new([b'x'; 64]).is_err());
/// # Ok::<(), liveupdate::NameError>(())
/// ```
///
/// # Invariants
///
/// `bytes` holds 1 to [`SessionName::MAX`] bytes and no NUL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionName {
    bytes: Vec<u8>,
}

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There was nothing in it.
    #[error("a session name needs at least one byte")]
    Empty,
    /// It does not fit the kernel's field.
    #[error("a session name has at most {max} bytes, and this one has {len}", max = SessionName::MAX)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The kernel would cut it off there.
    #[error("a session name cannot contain a NUL byte, and this one has one at position {at}")]
    Nul {
        /// Where the first NUL is.
        at: usize,
    },
}

impl SessionName {
    /// The greatest length of a name in bytes.
    pub const MAX: usize = SESSION_NAME_LENGTH - 1;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// The name is empty, longer than [`SessionName::MAX`], or contains a NUL.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let bytes = name.as_ref();
        if bytes.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
            return Err(NameError::Nul { at });
        }
        if bytes.len() > Self::MAX {
            return Err(NameError::TooLong { len: bytes.len() });
        }
        // INVARIANT: All three conditions were checked above.
        Ok(Self {
            bytes: bytes.to_vec(),
        })
    }

    /// The name without a closing NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The name as the kernel's field wants it: closed and filled up by NUL.
    #[must_use]
    pub fn to_field(&self) -> [u8; SESSION_NAME_LENGTH] {
        let mut field = [0; SESSION_NAME_LENGTH];
        field[..self.bytes.len()].copy_from_slice(&self.bytes);
        field
    }

    /// Reads the kernel's field: everything before the first NUL.
    ///
    /// # Errors
    ///
    /// The field starts with NUL, or has none at all.
    pub fn from_field(field: &[u8; SESSION_NAME_LENGTH]) -> Result<Self, NameError> {
        let len = field.iter().position(|&byte| byte == 0);
        Self::new(&field[..len.unwrap_or(field.len())])
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.bytes) {
            Ok(name) if !name.contains(|c: char| c.is_control()) => f.write_str(name),
            _ => write!(f, "{}", self.bytes.escape_ascii()),
        }
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionName(\"{self}\")")
    }
}

impl FromStr for SessionName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl TryFrom<&str> for SessionName {
    type Error = NameError;

    fn try_from(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

/// What a file is asked for by after the update.
///
/// The owner of a session chooses it. It is unique within the session, and any 64-bit number will
/// do. It is read from text in decimal or, after `0x`, in hexadecimal.
///
/// ```
/// use liveupdate::Token;
///
/// assert_eq!("0x10".parse(), Ok(Token(16)));
/// assert_eq!(Token(16).to_string(), "16");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

impl From<u64> for Token {
    fn from(token: u64) -> Self {
        Self(token)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Token {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        match hex {
            // A sign after the prefix is no number, whatever from_str_radix thinks of it.
            Some(digits) if digits.starts_with('+') => u64::from_str("+"),
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        }
        .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_at_the_edges() {
        let table: &[(&[u8], Result<(), NameError>)] = &[
            (b"", Err(NameError::Empty)),
            (b"a", Ok(())),
            (&[b'a'; 63], Ok(())),
            (&[b'a'; 64], Err(NameError::TooLong { len: 64 })),
            (b"\0", Err(NameError::Nul { at: 0 })),
            (b"ab\0c", Err(NameError::Nul { at: 2 })),
            (b"\xff\xfe", Ok(())),
        ];
        for (name, expected) in table {
            assert_eq!(SessionName::new(name).map(|_| ()), *expected, "{name:?}");
        }
    }

    #[test]
    fn odd_bytes_are_shown_escaped() {
        let name = SessionName::new(b"a\x1b[31m\xff").unwrap();
        assert_eq!(name.to_string(), r"a\x1b[31m\xff");
        assert_eq!(SessionName::new("Zürich").unwrap().to_string(), "Zürich");
    }

    #[test]
    fn a_full_field_without_nul_is_refused() {
        let full = [b'a'; SESSION_NAME_LENGTH];
        assert_eq!(
            SessionName::from_field(&full),
            Err(NameError::TooLong { len: 64 })
        );
        assert_eq!(
            SessionName::from_field(&[0; SESSION_NAME_LENGTH]),
            Err(NameError::Empty)
        );
    }

    #[test]
    fn tokens_in_both_bases() {
        let table = [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("0xffffffffffffffff", Some(u64::MAX)),
            ("0X1F", Some(31)),
            ("0x", None),
            ("0x+1", None),
            ("-1", None),
            ("", None),
            ("ten", None),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse().ok(), expected.map(Token), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn valid_names_survive_the_field(bytes in proptest::collection::vec(1u8.., 1..=63)) {
            let name = SessionName::new(&bytes).unwrap();
            let field = name.to_field();
            prop_assert_eq!(&field[..bytes.len()], &bytes[..]);
            prop_assert!(field[bytes.len()..].iter().all(|&byte| byte == 0));
            prop_assert_eq!(SessionName::from_field(&field).unwrap(), name);
        }

        #[test]
        fn any_field_is_read_without_panic(field in proptest::array::uniform32(any::<[u8; 2]>())) {
            let field: [u8; 64] = field.concat().try_into().unwrap();
            if let Ok(name) = SessionName::from_field(&field) {
                prop_assert!(field.starts_with(name.as_bytes()));
                prop_assert_eq!(field[name.as_bytes().len()], 0);
            }
        }

        #[test]
        fn acceptance_is_exactly_the_rule(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let legal = (1..=63).contains(&bytes.len()) && !bytes.contains(&0);
            prop_assert_eq!(SessionName::new(&bytes).is_ok(), legal);
        }

        #[test]
        fn tokens_survive_text(token: u64) {
            prop_assert_eq!(token.to_string().parse(), Ok(Token(token)));
            prop_assert_eq!(format!("{token:#x}").parse(), Ok(Token(token)));
        }
    }
}
