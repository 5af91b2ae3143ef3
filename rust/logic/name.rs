// SPDX-License-Identifier: GPL-2.0

//! Strings in fields of fixed size, from another kernel or from userspace.

use core::ffi::CStr;
use core::fmt;

/// Why a field is not a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// There is no character before the NUL.
    Empty,
    /// There is no NUL within the field.
    Unterminated {
        /// Size of the field in bytes.
        size: usize,
    },
    /// The string and its NUL do not fit into the field.
    TooLong {
        /// Length of the string in bytes, without NUL.
        len: usize,
        /// Size of the field in bytes.
        size: usize,
    },
    /// There is a NUL within the string.
    Nul,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("string is empty"),
            Self::Unterminated { size } => write!(f, "string has no NUL within {size} bytes"),
            Self::TooLong { len, size } => {
                write!(
                    f,
                    "string of {len} bytes does not fit into {size} with its NUL"
                )
            }
            Self::Nul => f.write_str("string contains NUL"),
        }
    }
}

/// A string of 1 to `N - 1` bytes, none of them NUL.
///
/// Formatting escapes what is not printable ASCII: such a string goes to the log.
///
/// # Invariants
///
/// The first byte is not NUL, the last one is, and so are all behind the first NUL. Hence
/// strings are equal if and only if the arrays are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CStrField<const N: usize>([u8; N]);

impl<const N: usize> CStrField<N> {
    /// Reads a field. Bytes behind the NUL do not count.
    pub fn parse(field: &[u8; N]) -> Result<Self, NameError> {
        match field.iter().position(|byte| *byte == 0) {
            None => Err(NameError::Unterminated { size: N }),
            Some(len) => Self::from_bytes(field.get(..len).unwrap_or_default()),
        }
    }

    /// Takes the bytes of a string without NUL.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NameError> {
        let mut field = [0; N];

        if bytes.is_empty() {
            return Err(NameError::Empty);
        }
        if bytes.contains(&0) {
            return Err(NameError::Nul);
        }
        match field.get_mut(..bytes.len()) {
            Some(head) if bytes.len() < N => head.copy_from_slice(bytes),
            _ => {
                return Err(NameError::TooLong {
                    len: bytes.len(),
                    size: N,
                })
            }
        }
        // INVARIANT: at least one byte, no NUL among them, and at least one NUL behind them.
        Ok(Self(field))
    }

    /// The string, without NUL.
    pub fn as_bytes(&self) -> &[u8] {
        self.as_c_str().to_bytes()
    }

    /// The string with its NUL.
    pub fn as_c_str(&self) -> &CStr {
        // Never the default: there is a NUL.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    /// The field, padded with NUL.
    pub const fn as_array(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Display for CStrField<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_bytes().escape_ascii(), f)
    }
}

impl<const N: usize> fmt::Debug for CStrField<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl<const N: usize> PartialEq<str> for CStrField<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

#[cfg(test)]
#[path = "tests/name.rs"]
mod tests;
