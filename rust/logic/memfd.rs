// SPDX-License-Identifier: GPL-2.0

//! Preserved memfds that came from another kernel.
//!
//! [`File::check`] validates what describes the file, [`File::folios`] each of its folios, and
//! [`File::extents`] each of its extents where it has those instead.

use core::fmt;

use crate::abi::addr::Pfn;
use crate::abi::memfd::FolioSer;
use crate::abi::memfd::MemfdSer;
use crate::abi::memfd::ALL_SEALS;
use crate::abi::memfd::FOLIO_FLAGS;
use crate::abi::PAGE_SHIFT;

/// Most pages of a file: pinning its folios counts them in 32 bits.
const MAX_PAGES: u64 = 0xffff_ffff;

/// What is wrong with the description of a memfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemfdError {
    /// A flag of the file is set; none is defined.
    UnknownFlags {
        /// All flags.
        flags: u32,
    },
    /// The file has seals that this version does not preserve (`EOPNOTSUPP`).
    UnknownSeals {
        /// All seals.
        seals: u32,
    },
    /// The size is not one that a file can have, or the file has more pages than can be
    /// preserved (`EFBIG`).
    BadSize {
        /// The size in bytes.
        size: u64,
    },
    /// The position is not one that a file can have.
    BadPosition {
        /// The position in bytes.
        pos: u64,
    },
    /// There are more folios than pages in the file.
    TooManyFolios {
        /// Number of folios.
        folios: u64,
        /// Length of the file in pages.
        pages: u64,
    },
    /// The array of folios is shorter than its length should be.
    ShortArray {
        /// Entries that the array can hold.
        found: u64,
        /// Number of folios.
        expected: u64,
    },
    /// A folio has a flag that this version does not know.
    FolioFlags {
        /// Position in the array.
        at: u64,
        /// All flags.
        flags: u16,
    },
    /// A folio is not preserved memory, or not the start of a preserved block.
    NotPreserved {
        /// Position in the array.
        at: u64,
        /// First page of the folio.
        pfn: Pfn,
    },
    /// A folio is not aligned to its size, in memory or in the file.
    FolioMisaligned {
        /// Position in the array.
        at: u64,
        /// First page of the folio.
        pfn: Pfn,
        /// Offset in the file, in pages.
        index: u64,
        /// Order of the folio.
        order: u32,
    },
    /// A folio is behind the end of the file.
    BehindEnd {
        /// Position in the array.
        at: u64,
        /// Offset in the file, in pages.
        index: u64,
    },
    /// A folio begins before the end of the one before it.
    NotAscending {
        /// Position in the array.
        at: u64,
        /// Offset in the file, in pages.
        index: u64,
    },
    /// The folios do not make up the file, in a format that knows of no holes between them.
    Incomplete {
        /// Pages that they make up.
        found: u64,
        /// Length of the file in pages.
        pages: u64,
    },
    /// An extent is empty, or reaches beyond what can be memory.
    BadExtent {
        /// Position in the array.
        at: u64,
        /// First page.
        pfn: Pfn,
        /// Length in pages.
        pages: u64,
    },
}

impl fmt::Display for MemfdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnknownFlags { flags } => write!(f, "file has unknown flags {flags:#x}"),
            Self::UnknownSeals { seals } => {
                write!(f, "file has unknown seals {:#x}", seals & !ALL_SEALS)
            }
            Self::BadSize { size } => write!(f, "file cannot have a size of {size} bytes"),
            Self::BadPosition { pos } => write!(f, "file cannot have position {pos}"),
            Self::TooManyFolios { folios, pages } => {
                write!(f, "file of {pages} pages cannot have {folios} folios")
            }
            Self::ShortArray { found, expected } => {
                write!(f, "array of {expected} folios has room for {found} only")
            }
            Self::FolioFlags { at, flags } => {
                write!(
                    f,
                    "folio {at} has unknown flags {:#x}",
                    flags & !FOLIO_FLAGS
                )
            }
            Self::NotPreserved { at, pfn } => {
                write!(f, "folio {at}, frame {pfn}, is not preserved")
            }
            Self::FolioMisaligned {
                at,
                pfn,
                index,
                order,
            } => write!(
                f,
                "folio {at} of order {order}, frame {pfn}, page {index} of the file, \
                 is misaligned"
            ),
            Self::BehindEnd { at, index } => {
                write!(f, "folio {at}, page {index} of the file, is behind its end")
            }
            Self::NotAscending { at, index } => write!(
                f,
                "folio {at}, page {index} of the file, begins before the end of the last one"
            ),
            Self::Incomplete { found, pages } => {
                write!(f, "folios make up {found} pages of a file of {pages}")
            }
            Self::BadExtent { at, pfn, pages } => {
                write!(f, "extent {at}, frame {pfn}, cannot have {pages} pages")
            }
        }
    }
}

/// A file whose description was found to be sound.
///
/// # Invariants
///
/// Size and position are at most [`i64::MAX`], the pages fit into 32 bits, the seals are a
/// subset of [`ALL_SEALS`], and there are at most as many folios as pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<const SHIFT: u32 = PAGE_SHIFT> {
    /// Position in bytes.
    pos: u64,
    /// Size in bytes.
    size: u64,
    /// Its seals.
    seals: u32,
    /// Number of folios.
    nr_folios: u64,
}

impl<const SHIFT: u32> File<SHIFT> {
    /// Checks everything but the folios.
    pub fn check(ser: &MemfdSer) -> Result<Self, MemfdError> {
        let MemfdSer {
            pos,
            size,
            seals,
            flags,
            nr_folios,
            ..
        } = *ser;
        let pages = size.div_ceil(1 << SHIFT);

        if flags != 0 {
            return Err(MemfdError::UnknownFlags { flags });
        }
        if seals & !ALL_SEALS != 0 {
            return Err(MemfdError::UnknownSeals { seals });
        }
        if i64::try_from(size).is_err() || pages > MAX_PAGES {
            return Err(MemfdError::BadSize { size });
        }
        if i64::try_from(pos).is_err() {
            return Err(MemfdError::BadPosition { pos });
        }
        if nr_folios > pages {
            return Err(MemfdError::TooManyFolios {
                folios: nr_folios,
                pages,
            });
        }
        // INVARIANT: just checked.
        Ok(Self {
            pos,
            size,
            seals,
            nr_folios,
        })
    }

    /// Checks that an array of `pages` pages has room for all entries of `size` bytes, not zero.
    pub fn check_array(&self, pages: u64, size: usize) -> Result<(), MemfdError> {
        let found = pages
            .saturating_mul(1 << SHIFT)
            .checked_div(size as u64)
            .unwrap_or(0);

        if found < self.nr_folios {
            return Err(MemfdError::ShortArray {
                found,
                expected: self.nr_folios,
            });
        }
        Ok(())
    }

    /// Position in bytes.
    pub const fn pos(&self) -> u64 {
        self.pos
    }

    /// Size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Length in pages, the last one perhaps in part.
    pub const fn pages(&self) -> u64 {
        self.size.div_ceil(1 << SHIFT)
    }

    /// `F_SEAL_*`.
    pub const fn seals(&self) -> u32 {
        self.seals
    }

    /// Number of folios, holes included.
    pub const fn nr_folios(&self) -> u64 {
        self.nr_folios
    }

    /// Checks that folios of `found` pages in all, no two of which overlap, are the whole file.
    ///
    /// With [`folios`](Self::folios) whoever writes them down fills all holes first. Entries that say that they
    /// are one do not say how long it is, so that nothing can be checked then.
    pub fn check_complete(&self, entries: &[FolioSer], found: u64) -> Result<(), MemfdError> {
        let pages = self.pages();

        if found >= pages || entries.iter().any(|entry| entry.pfn().get() == 0) {
            return Ok(());
        }
        Err(MemfdError::Incomplete { found, pages })
    }

    /// Validates the folios one by one.
    ///
    /// `order_of` tells the order of the preserved block that begins at a page, or [`None`]
    /// where none does; it must say so for pages that do not exist, too. Entries of frame zero
    /// are holes and are left out. After an error the iterator ends.
    pub fn folios<'a, F>(&self, entries: &'a [FolioSer], order_of: F) -> Folios<'a, F>
    where
        F: FnMut(Pfn) -> Option<u32>,
    {
        Folios {
            entries,
            order_of,
            max_order: 0,
            pages: self.pages(),
            left: self.nr_folios,
            at: 0,
            next_index: 0,
        }
    }
}

/// What becomes of preserved blocks of a file: one folio that is made of one block or several, or one
/// block of which several folios are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First page.
    pub pfn: Pfn,
    /// Offset in the file, in pages.
    pub index: u64,
    /// Order of the preserved block or blocks.
    pub block_order: u32,
    /// Order of the folio or folios.
    pub order: u32,
}

impl Piece {
    /// Length in pages.
    #[inline]
    pub const fn pages(&self) -> u64 {
        if self.order > self.block_order {
            1 << self.order
        } else {
            1 << self.block_order
        }
    }

    /// The blocks, each by itself.
    pub fn blocks(&self) -> impl Iterator<Item = Self> {
        let Self {
            pfn,
            index,
            block_order,
            ..
        } = *self;
        let count = self.pages() >> block_order;

        (0..count).map(move |number| Self {
            // Within the piece, which is memory.
            pfn: Pfn::new(pfn.get() + (number << block_order)),
            index: index + (number << block_order),
            block_order,
            order: block_order,
        })
    }
}

/// A folio that was found to be sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folio {
    /// Position in the array.
    pub at: u64,
    /// First page.
    pub pfn: Pfn,
    /// Order.
    pub order: u32,
    /// Order of the preserved blocks that make it up, of one entry each.
    pub block_order: u32,
    /// Offset in the file, in pages. A large folio may reach beyond the end of the file.
    pub index: u64,
    /// `FOLIO_*`.
    pub flags: u16,
}

impl Folio {
    /// How it is restored, with folios of at most `max_order`.
    #[inline]
    pub const fn piece(&self, max_order: u32) -> Piece {
        Piece {
            pfn: self.pfn,
            index: self.index,
            block_order: self.block_order,
            order: if self.order < max_order {
                self.order
            } else {
                max_order
            },
        }
    }

    /// Number of entries in the array, which follow each other.
    #[inline]
    pub const fn entries(&self) -> usize {
        1 << (self.order - self.block_order)
    }
}

/// Iterator over the folios of a file that validates them.
pub struct Folios<'a, F> {
    /// The entries to come.
    entries: &'a [FolioSer],
    /// Order of a preserved block.
    order_of: F,
    /// Folios are put together up to this order.
    max_order: u32,
    /// Length of the file in pages.
    pages: u64,
    /// Entries still to come.
    left: u64,
    /// Position of the next entry.
    at: u64,
    /// The page of the file behind the last folio.
    next_index: u64,
}

impl<F> Folios<'_, F>
where
    F: FnMut(Pfn) -> Option<u32>,
{
    /// From here on, folios that are neighbours in memory and in the file alike are put together, up
    /// to this order and as far as their alignment allows.
    pub fn merged(mut self, max_order: u32) -> Self {
        self.max_order = max_order;
        self
    }

    /// Puts the folio of `first`, the entry before those to come, together with those that follow
    /// it. Returns how many entries to come are part of it.
    #[inline]
    fn merge(&mut self, folio: &mut Folio, first: FolioSer) -> usize {
        let block_order = folio.order;
        let order = (folio.pfn.get() | folio.index)
            .trailing_zeros()
            .min(self.max_order);

        if order <= block_order {
            return 0;
        }
        let wanted = (1usize << (order - block_order)) - 1;
        let Self {
            entries,
            order_of,
            pages,
            left,
            ..
        } = self;
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(wanted);
        let found = (entries.iter().take(most).zip(1u64..))
            .take_while(|(entry, count)| {
                let offset = count << block_order;
                let (pfn_flags, index) = (entry.pfn_flags, entry.index);

                // Aligned as the first ones are, neither sum carries into the flags or wraps.
                pfn_flags == first.pfn_flags | offset
                    && index == folio.index | offset
                    && index < *pages
                    && order_of(entry.pfn()) == Some(block_order)
            })
            .count();

        folio.order = block_order + (found + 1).ilog2();
        folio.entries() - 1
    }

    /// Validates one entry that is not a hole.
    #[inline]
    fn check(&mut self, at: u64, entry: FolioSer) -> Result<Folio, MemfdError> {
        let (pfn, flags, index) = (entry.pfn(), entry.flags(), entry.index());

        if flags & !FOLIO_FLAGS != 0 {
            return Err(MemfdError::FolioFlags { at, flags });
        }
        if index >= self.pages {
            return Err(MemfdError::BehindEnd { at, index });
        }
        if index < self.next_index {
            return Err(MemfdError::NotAscending { at, index });
        }
        let order = (self.order_of)(pfn).ok_or(MemfdError::NotPreserved { at, pfn })?;
        let misaligned = MemfdError::FolioMisaligned {
            at,
            pfn,
            index,
            order,
        };
        let block = 1u64.checked_shl(order).ok_or(misaligned)?;

        // The page cache insists on both.
        if !pfn.is_aligned(order) || index & (block - 1) != 0 {
            return Err(misaligned);
        }
        self.next_index = index.checked_add(block).ok_or(misaligned)?;
        Ok(Folio {
            at,
            pfn,
            order,
            block_order: order,
            index,
            flags,
        })
    }

    /// Validates `entry` and what can be put together with it.
    #[inline]
    fn take(&mut self, at: u64, entry: FolioSer) -> Result<Folio, MemfdError> {
        let mut folio = self.check(at, entry)?;
        let more = self.merge(&mut folio, entry);

        if more > 0 {
            self.entries = self.entries.get(more..).unwrap_or_default();
            self.left -= more as u64;
            self.at += more as u64;
            self.next_index = folio.index + (1 << folio.order);
        }
        Ok(folio)
    }
}

impl<F> Iterator for Folios<'_, F>
where
    F: FnMut(Pfn) -> Option<u32>,
{
    type Item = Result<Folio, MemfdError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            let at = self.at;
            let Some((entry, rest)) = self.entries.split_first() else {
                let expected = at + self.left;

                self.left = 0;
                return Some(Err(MemfdError::ShortArray {
                    found: at,
                    expected,
                }));
            };

            self.entries = rest;
            self.left -= 1;
            self.at += 1;
            if entry.pfn().get() == 0 {
                continue;
            }
            let folio = self.take(at, *entry);

            if folio.is_err() {
                self.left = 0;
            }
            return Some(folio);
        }
        None
    }
}

#[cfg(test)]
#[path = "tests/memfd.rs"]
mod tests;
