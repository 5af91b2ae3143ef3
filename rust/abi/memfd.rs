// SPDX-License-Identifier: GPL-2.0

//! A preserved memfd.
//!
//! C counterpart: `include/linux/kho/abi/memfd.h`. [`MemfdSer`] is what a file's `data` points
//! to; its `folios` is a vmalloc area that holds `nr_folios` entries, in ascending order of their
//! index. Of what kind they are, the compatible string tells: [`FolioSer`], as in mainline, or
//! [`ExtentSer`], which are this implementation's own.

use core::ffi::CStr;

use zerocopy_derive::FromBytes;
use zerocopy_derive::Immutable;
use zerocopy_derive::IntoBytes;
use zerocopy_derive::KnownLayout;

use super::addr::Pfn;
use super::assert_layout;
use super::kho::KhoVmalloc;

/// Compatible string of the handler (`MEMFD_LUO_FH_COMPATIBLE`).
pub const COMPATIBLE: &CStr = c"memfd-v2";

/// Compatible string of the handler of files that are described by extents
/// (`MEMFD_LUO_EXTENTS_COMPATIBLE`).
pub const COMPATIBLE_EXTENTS: &CStr = c"memfd-extents-v1";

/// The folio holds data of the user (`MEMFD_LUO_FOLIO_DIRTY`).
pub const FOLIO_DIRTY: u16 = 1 << 0;

/// The folio's contents are valid; otherwise it wants zeroing before use
/// (`MEMFD_LUO_FOLIO_UPTODATE`).
pub const FOLIO_UPTODATE: u16 = 1 << 1;

/// All folio flags that this version knows.
pub const FOLIO_FLAGS: u16 = FOLIO_DIRTY | FOLIO_UPTODATE;

/// All seals that this version preserves (`MEMFD_LUO_ALL_SEALS`): `F_SEAL_SEAL`, `_SHRINK`,
/// `_GROW`, `_WRITE`, `_FUTURE_WRITE` and `_EXEC`, as in the userspace ABI.
pub const ALL_SEALS: u32 = 0x0001 | 0x0002 | 0x0004 | 0x0008 | 0x0010 | 0x0020;

/// Bits of [`FolioSer::pfn_flags`] that hold the frame number.
pub const PFN_BITS: u32 = 52;

/// A frame number in the low 52 bits and flags in the upper 12 (C: `u64 pfn:52, flags:12`); [`None`]
/// where either does not fit.
#[inline]
const fn pack(pfn: Pfn, flags: u16) -> Option<u64> {
    if pfn.get() >> PFN_BITS != 0 || flags >> (64 - PFN_BITS) != 0 {
        return None;
    }
    // The cast only widens; `From` is not const.
    Some(pfn.get() | (flags as u64) << PFN_BITS)
}

#[inline]
const fn pfn_of(packed: u64) -> Pfn {
    Pfn::new(packed & ((1 << PFN_BITS) - 1))
}

#[inline]
const fn flags_of(packed: u64) -> u16 {
    // Twelve bits remain after the shift.
    (packed >> PFN_BITS) as u16
}

/// One folio of the file (`struct memfd_luo_folio_ser`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct FolioSer {
    /// Frame number in the low 52 bits, flags in the upper 12 (C: `u64 pfn:52, flags:12`).
    pub pfn_flags: u64,
    /// Offset of the folio in the file, in pages.
    pub index: u64,
}

assert_layout!(FolioSer, 16, { pfn_flags: 0, index: 8 });

impl FolioSer {
    /// Packs an entry; [`None`] where `pfn` needs more than 52 bits or `flags` more than 12.
    #[inline]
    pub const fn new(pfn: Pfn, flags: u16, index: u64) -> Option<Self> {
        match pack(pfn, flags) {
            Some(pfn_flags) => Some(Self { pfn_flags, index }),
            None => None,
        }
    }

    /// First page frame of the folio. Zero stands for a hole.
    #[inline]
    pub const fn pfn(&self) -> Pfn {
        pfn_of(self.pfn_flags)
    }

    /// `FOLIO_*`, at most 12 bits.
    #[inline]
    pub const fn flags(&self) -> u16 {
        flags_of(self.pfn_flags)
    }

    /// Offset of the folio in the file, in pages.
    #[inline]
    pub const fn index(&self) -> u64 {
        self.index
    }
}

/// Pages that follow each other in memory and in the file (`struct memfd_luo_extent_ser`).
///
/// They are preserved as blocks, cut in whatever way: the next kernel finds out.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct ExtentSer {
    /// Number of the first frame in the low 52 bits, flags in the upper 12 (C: `u64 pfn:52, flags:12`).
    pub pfn_flags: u64,
    /// Offset of the first page in the file, in pages.
    pub index: u32,
    /// Number of pages, none of them behind the end of the file.
    pub count: u32,
}

assert_layout!(ExtentSer, 16, { pfn_flags: 0, index: 8, count: 12 });

impl ExtentSer {
    /// Packs an entry; [`None`] where `pfn` needs more than 52 bits or `flags` more than 12.
    #[inline]
    pub const fn new(pfn: Pfn, flags: u16, index: u32, count: u32) -> Option<Self> {
        match pack(pfn, flags) {
            Some(pfn_flags) => Some(Self {
                pfn_flags,
                index,
                count,
            }),
            None => None,
        }
    }

    /// First page frame.
    #[inline]
    pub const fn pfn(&self) -> Pfn {
        pfn_of(self.pfn_flags)
    }

    /// `FOLIO_*`, of all pages alike; at most 12 bits.
    #[inline]
    pub const fn flags(&self) -> u16 {
        flags_of(self.pfn_flags)
    }
}

/// The file itself (`struct memfd_luo_ser`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct MemfdSer {
    /// File position in bytes.
    pub pos: u64,
    /// File size in bytes.
    pub size: u64,
    /// `F_SEAL_*`, a subset of [`ALL_SEALS`].
    pub seals: u32,
    /// Flags of the file: none are defined, all bits are zero.
    pub flags: u32,
    /// Entries in the array.
    pub nr_folios: u64,
    /// The array of [`FolioSer`] or [`ExtentSer`]; not set where `nr_folios` is zero.
    pub folios: KhoVmalloc,
}

assert_layout!(MemfdSer, 48, {
    pos: 0,
    size: 8,
    seals: 16,
    flags: 20,
    nr_folios: 24,
    folios: 32,
});
