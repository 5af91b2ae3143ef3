// SPDX-License-Identifier: GPL-2.0

//! Names that arrive as byte arrays of fixed size.

use kernel::fmt;
use kernel::str::BStr;

use crate::abi::luo::FLB_COMPAT_LEN;
use crate::abi::luo::HANDLER_COMPAT_LEN;
use crate::abi::luo::SESSION_NAME_LEN;

/// Name of a session.
pub(super) type SessionName = Name<SESSION_NAME_LEN>;
/// Compatible string of a file handler.
pub(super) type HandlerName = Name<HANDLER_COMPAT_LEN>;
/// Compatible string of an FLB.
pub(super) type FlbName = Name<FLB_COMPAT_LEN>;

/// A name of 1 to `N - 1` bytes.
///
/// # Invariants
///
/// The first byte is not NUL, the last one is, and all bytes behind the first NUL are NUL. So two
/// names are equal exactly if their bytes are.
#[derive(Clone, Copy, Eq, PartialOrd, Ord)]
pub(super) struct Name<const N: usize>([u8; N]);

impl<const N: usize> PartialEq for Name<N> {
    /// Word by word: the kernel's `bcmp()` goes byte by byte.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        const { assert!(N % 8 == 0) };
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_ne_bytes).ok();
        let (ours, theirs) = (self.0.chunks_exact(8), other.0.chunks_exact(8));

        ours.map(word).eq(theirs.map(word))
    }
}

impl<const N: usize> Name<N> {
    /// Takes a name up to its NUL; [`None`] if there is no NUL or nothing before it.
    pub(super) fn new(raw: &[u8; N]) -> Option<Self> {
        let len = raw.iter().position(|&byte| byte == 0)?;
        if len == 0 {
            return None;
        }
        let mut name = [0; N];
        let (head, _) = name.split_at_mut_checked(len)?;
        head.copy_from_slice(raw.get(..len)?);
        // INVARIANT: `len` is from 1 to `N - 1`, and what is behind it is still zero.
        Some(Self(name))
    }

    /// The name as the formats have it: padded with NUL.
    pub(super) fn padded(&self) -> &[u8; N] {
        &self.0
    }

    /// The bytes of the name without NUL.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

impl<const N: usize> fmt::Display for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(BStr::from_bytes(self.bytes()), f)
    }
}

/// Shows bytes that were meant to be a name and may be none, without the NULs that pad them.
pub(super) struct BadName<'a>(pub(super) &'a [u8]);

impl fmt::Display for BadName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.first() == Some(&0) {
            return f.write_str("(empty)");
        }
        let last = self.0.iter().rposition(|&byte| byte != 0);
        let name = last.and_then(|last| self.0.get(..=last));

        fmt::Display::fmt(BStr::from_bytes(name.unwrap_or_default()), f)
    }
}
