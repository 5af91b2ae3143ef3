// SPDX-License-Identifier: GPL-2.0

//! Keys of the radix tree that maps preserved memory.
//!
//! A key is one number for an aligned block of `1 << order` pages: the block's index (its frame
//! number shifted right by the order), and above it a single bit whose position tells the
//! order. Blocks that follow each other in memory and have the same order have keys that follow
//! each other. C counterpart: `kho_encode_radix_key()` and `kho_decode_radix_key()`.

use super::runs::Coalesce;
use super::runs::Run;
use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::kho::Geometry;
use crate::abi::PAGE_SHIFT;

/// The key of a block of pages.
///
/// # Invariants
///
/// The highest set bit is bit `64 - SHIFT - order` for an order of at most
/// [`Geometry::MAX_ORDER`]. Hence the block's address is below `1 << 64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<const SHIFT: u32 = PAGE_SHIFT>(u64);

impl<const SHIFT: u32> Key<SHIFT> {
    /// The key of the block of `1 << order` pages that starts at `pfn`.
    ///
    /// [`None`] where the block is not naturally aligned, its address needs more than 64 bits,
    /// or the order is above [`Geometry::MAX_ORDER`].
    #[inline]
    pub const fn new(pfn: Pfn, order: u32) -> Option<Self> {
        if pfn.get() >> (64 - SHIFT) != 0 {
            return None;
        }
        // Most blocks are single pages.
        if order == 0 {
            // INVARIANT: as below.
            return Some(Self(1 << (64 - SHIFT) | pfn.get()));
        }
        if order > Geometry::<SHIFT>::MAX_ORDER || !pfn.is_aligned(order) {
            return None;
        }
        // INVARIANT: the order is in range, and what is below its bit fits, since the frame
        // number has no more than `64 - SHIFT` bits.
        Some(Self(1 << (64 - SHIFT - order) | pfn.get() >> order))
    }

    /// The key of the block of `1 << order` pages at address `phys`; as [`Key::new`], and
    /// [`None`] where the address is not that of a page.
    #[inline]
    pub const fn from_phys(phys: PhysAddr, order: u32) -> Option<Self> {
        if !phys.is_aligned(SHIFT) {
            return None;
        }
        Self::new(phys.pfn_with(SHIFT), order)
    }

    /// Reads a number as a key; [`None`] where it is not one.
    #[inline]
    pub const fn from_raw(raw: u64) -> Option<Self> {
        // Zero has no order bit. One would be order `64 - SHIFT`: a block of all memory and
        // more. Anything wider than a key has its bit above that of order 0.
        if raw < 2 || raw.ilog2() > 64 - SHIFT {
            return None;
        }
        // INVARIANT: bit 1 is that of the highest order, bit `64 - SHIFT` that of order 0.
        Some(Self(raw))
    }

    /// The key as the tree stores it.
    #[inline]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Order of the block.
    #[inline]
    pub const fn order(self) -> u32 {
        64 - SHIFT - self.0.ilog2()
    }

    /// First page of the block.
    #[inline]
    pub const fn pfn(self) -> Pfn {
        Pfn::new((self.0 ^ 1 << self.0.ilog2()) << self.order())
    }

    /// The raw key of block 0 of an order; the keys of that order follow it.
    #[inline]
    pub(crate) const fn first_of(order: u32) -> u64 {
        1 << (64 - SHIFT - order)
    }
}

/// The page that bit 0 of a word of a bitmap stands for, if all of the word's keys are of order 0.
/// Bit 0 is key `base`.
#[inline]
pub fn word_of_pages<const SHIFT: u32>(base: u64) -> Option<Pfn> {
    let first = Key::<SHIFT>::first_of(0);

    // The keys of order 0 are the highest ones.
    (base >= first && base < 2 * first).then(|| Pfn::new(base - first))
}

/// The keys in a word of a bitmap, of which bit 0 is key `base`. What is no key is left out.
pub fn blocks_of_word<const SHIFT: u32>(
    base: u64,
    mut bits: u64,
) -> impl Iterator<Item = Key<SHIFT>> {
    core::iter::from_fn(move || {
        if bits == 0 {
            return None;
        }
        let key = base | u64::from(bits.trailing_zeros());

        bits &= bits - 1;
        Some(Key::from_raw(key))
    })
    .flatten()
}

/// The blocks in a word of a bitmap, neighbours of one order put together. Bit 0 is key `base`.
pub fn runs_of_word<const SHIFT: u32>(base: u64, bits: u64) -> impl Iterator<Item = Run> {
    Coalesce::new(blocks_of_word::<SHIFT>(base, bits).map(|key| (key.pfn(), key.order())))
}

#[cfg(test)]
#[path = "tests/key.rs"]
mod tests;
