// SPDX-License-Identifier: GPL-2.0

//! Physical addresses and page frame numbers as types.
//!
//! Neither can be added to, shifted or compared with a bare integer, and every operation that
//! could wrap says so in its return type: such numbers arrive from another kernel.

use core::fmt;

use super::PAGE_SHIFT;

/// A physical address, in bytes.
///
/// Any value is representable: being one says nothing about there being memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// Takes `raw` bytes from the start of physical memory as an address.
    #[inline]
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The address as an integer, in bytes.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this is zero, which the wire formats use for "none".
    #[inline]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Whether the address is a multiple of `1 << shift` bytes. No address is a multiple of
    /// `1 << 64` or more, except zero.
    #[inline]
    pub const fn is_aligned(self, shift: u32) -> bool {
        self.0.trailing_zeros() >= shift || self.0 == 0
    }

    /// `self + bytes`, or [`None`] where that wraps.
    #[inline]
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// `self - base` in bytes, or [`None`] where `base` is higher.
    #[inline]
    pub const fn checked_sub(self, base: Self) -> Option<u64> {
        self.0.checked_sub(base.0)
    }

    /// The frame that holds this address, with pages of `1 << page_shift` bytes.
    #[inline]
    pub const fn pfn_with(self, page_shift: u32) -> Pfn {
        match self.0.checked_shr(page_shift) {
            Some(raw) => Pfn(raw),
            None => Pfn(0),
        }
    }

    /// The frame that holds this address, with this kernel's pages.
    #[inline]
    pub const fn pfn(self) -> Pfn {
        self.pfn_with(PAGE_SHIFT)
    }
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::LowerHex for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// A page frame number, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Pfn(u64);

impl Pfn {
    /// Takes `raw` pages from the start of physical memory as a frame number.
    #[inline]
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The frame number as an integer, in pages.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `self + pages`, or [`None`] where that wraps.
    #[inline]
    pub const fn checked_add(self, pages: u64) -> Option<Self> {
        match self.0.checked_add(pages) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// `self - base` in pages, or [`None`] where `base` is higher.
    #[inline]
    pub const fn checked_sub(self, base: Self) -> Option<u64> {
        self.0.checked_sub(base.0)
    }

    /// Whether the frame number is a multiple of `1 << order` pages.
    #[inline]
    pub const fn is_aligned(self, order: u32) -> bool {
        self.0.trailing_zeros() >= order || self.0 == 0
    }

    /// The address of the frame's first byte, with pages of `1 << page_shift` bytes;
    /// [`None`] where 64 bits do not hold it.
    #[inline]
    pub const fn phys_with(self, page_shift: u32) -> Option<PhysAddr> {
        if page_shift < 64 && self.0 <= u64::MAX >> page_shift {
            Some(PhysAddr(self.0 << page_shift))
        } else {
            None
        }
    }

    /// The address of the frame's first byte, with this kernel's pages; [`None`] where 64 bits
    /// do not hold it.
    #[inline]
    pub const fn phys(self) -> Option<PhysAddr> {
        self.phys_with(PAGE_SHIFT)
    }
}

impl fmt::Display for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
