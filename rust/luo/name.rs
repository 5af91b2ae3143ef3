// SPDX-License-Identifier: GPL-2.0

//! Names that arrive as byte arrays of fixed size.

use core::cmp::Ordering;

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
#[derive(Clone, Copy, Eq)]
pub(super) struct Name<const N: usize>([u8; N]);

/// Bytes that are looked at together.
const WORD: usize = 8;

/// The bytes of a word up to the first that is NUL, and whether there is one. The first byte is the
/// lowest.
const fn up_to_nul(word: u64) -> (u64, bool) {
    const ONES: u64 = u64::from_ne_bytes([0x01; WORD]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; WORD]);
    // The lowest of these bits is that of a byte which is zero.
    let zeroes = word.wrapping_sub(ONES) & !word & HIGHS;

    match zeroes {
        0 => (word, false),
        // What is below the lowest zero byte.
        zeroes => (
            word & ((zeroes & zeroes.wrapping_neg()) >> 7).wrapping_sub(1),
            true,
        ),
    }
}

// Word by word: the kernel's `bcmp()` and `memcmp()` go byte by byte.
impl<const N: usize> PartialEq for Name<N> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.words().eq(other.words())
    }
}

impl<const N: usize> Ord for Name<N> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.words().cmp(other.words())
    }
}

impl<const N: usize> PartialOrd for Name<N> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Name<N> {
    /// Takes a name up to its NUL; [`None`] if there is no NUL or nothing before it.
    pub(super) fn new(raw: &[u8; N]) -> Option<Self> {
        const { assert!(N % WORD == 0) };
        let mut name = [0; N];

        for (to, from) in name.chunks_exact_mut(WORD).zip(raw.chunks_exact(WORD)) {
            let word = u64::from_le_bytes(from.try_into().ok()?);
            let (bytes, is_last) = up_to_nul(word);

            to.copy_from_slice(&bytes.to_le_bytes());
            if is_last {
                // INVARIANT: Here is the first NUL, and what is behind it is still zero.
                return (name.first() != Some(&0)).then_some(Self(name));
            }
        }
        None
    }

    /// The bytes as numbers that are in the same order.
    #[inline]
    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_be_bytes);

        self.0.chunks_exact(WORD).map(word)
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

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
#[path = "tests/name.rs"]
mod tests;
