// SPDX-License-Identifier: GPL-2.0

//! Preserved vmalloc areas that came from another kernel.
//!
//! An area is described by a chain of pages ("chunks") that list the addresses of its blocks.
//! [`Area::check`] reads it from end to end before anything in it is used. C counterpart:
//! `kho_restore_vmalloc()`.

use core::fmt;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::kho::vmalloc_chunk_len;
use crate::abi::kho::KhoVmalloc;
use crate::abi::kho::VMALLOC_FLAGS;
use crate::abi::PAGE_SHIFT;

/// Access to chunks.
pub trait ChunkMem {
    /// Reads a 64-bit word of the page at `chunk`, which is page-aligned and not zero; [`None`]
    /// where that is not memory that the previous kernel preserved.
    fn word(&self, chunk: PhysAddr, word: usize) -> Option<u64>;
}

impl<F: Fn(PhysAddr, usize) -> Option<u64>> ChunkMem for F {
    fn word(&self, chunk: PhysAddr, word: usize) -> Option<u64> {
        self(chunk, word)
    }
}

/// What is wrong with the description of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmallocError {
    /// A flag is set that this version does not know.
    UnknownFlags {
        /// All flags.
        flags: u16,
    },
    /// The area is empty, or its length is not a multiple of its blocks'.
    BadLength {
        /// Length in pages.
        pages: u32,
        /// Order of its blocks.
        order: u16,
    },
    /// The area has more pages than there are below the end of memory.
    TooLong {
        /// Length in pages.
        pages: u32,
        /// The page behind the end of memory.
        end: Pfn,
    },
    /// The address of a chunk is not that of a page.
    ChunkMisaligned {
        /// The address.
        chunk: PhysAddr,
    },
    /// A chunk is not in preserved memory.
    ChunkUnreadable {
        /// The chunk.
        chunk: PhysAddr,
    },
    /// The chain has more chunks than the length of the area needs.
    TooManyChunks {
        /// Most that it can need.
        max: u64,
    },
    /// A block is not naturally aligned or not in memory.
    BadBlock {
        /// Address of the block.
        block: PhysAddr,
        /// The chunk that lists it.
        chunk: PhysAddr,
    },
    /// The chunks list another number of pages than the area has.
    WrongTotal {
        /// Pages in all blocks; where there are too many, as far as was read.
        found: u64,
        /// Length of the area in pages.
        expected: u32,
    },
}

impl fmt::Display for VmallocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFlags { flags } => {
                write!(f, "area has unknown flags {:#x}", flags & !VMALLOC_FLAGS)
            }
            Self::BadLength { pages, order } => write!(
                f,
                "area of {pages} pages does not consist of blocks of order {order}"
            ),
            Self::TooLong { pages, end } => {
                write!(f, "area has {pages} pages, memory ends at page {end}")
            }
            Self::ChunkMisaligned { chunk } => {
                write!(f, "chunk address {chunk} is not page-aligned")
            }
            Self::ChunkUnreadable { chunk } => {
                write!(f, "chunk {chunk} is not in preserved memory")
            }
            Self::TooManyChunks { max } => write!(
                f,
                "chain of chunks does not end after {max}, which is all that the area needs"
            ),
            Self::BadBlock { block, chunk } => write!(
                f,
                "block {block} in chunk {chunk} is misaligned or not in memory"
            ),
            Self::WrongTotal { found, expected } => {
                write!(f, "chunks list {found} pages, the area has {expected}")
            }
        }
    }
}

/// Walk over the blocks of an area, in the order in which they are mapped.
struct Walk<'a, M, const SHIFT: u32> {
    /// Access to the chunks.
    mem: &'a M,
    /// The area's order of blocks, at most 31.
    order: u32,
    /// The page behind the end of memory.
    end: Pfn,
    /// The chunk that is being read, or zero.
    chunk: PhysAddr,
    /// The chunk behind it, or zero.
    next: PhysAddr,
    /// Next address in the chunk.
    index: usize,
    /// Chunks that may still come.
    chunks_left: u64,
    /// Blocks that were returned.
    blocks: u64,
    /// The area, as described.
    area: KhoVmalloc,
}

impl<M: ChunkMem, const SHIFT: u32> Walk<'_, M, SHIFT> {
    /// Enters the next chunk.
    fn enter(&mut self) -> Result<PhysAddr, VmallocError> {
        let chunk = self.next;

        if !chunk.is_aligned(SHIFT) {
            return Err(VmallocError::ChunkMisaligned { chunk });
        }
        self.chunks_left = match self.chunks_left.checked_sub(1) {
            Some(left) => left,
            None => {
                return Err(VmallocError::TooManyChunks {
                    max: max_chunks::<SHIFT>(&self.area),
                })
            }
        };
        self.next = PhysAddr::new(self.load(chunk, 0)?);
        self.chunk = chunk;
        self.index = 0;
        Ok(chunk)
    }

    /// Reads a word of a chunk.
    fn load(&self, chunk: PhysAddr, word: usize) -> Result<u64, VmallocError> {
        self.mem
            .word(chunk, word)
            .ok_or(VmallocError::ChunkUnreadable { chunk })
    }

    /// The next block in the current chunk, or [`None`] at its end.
    fn block(&mut self) -> Result<Option<PhysAddr>, VmallocError> {
        if self.chunk.is_null() || self.index >= vmalloc_chunk_len(1 << SHIFT) {
            return Ok(None);
        }
        let block = PhysAddr::new(self.load(self.chunk, self.index + 1)?);

        if block.is_null() {
            return Ok(None);
        }
        let inside = match block.pfn_with(SHIFT).checked_add(1 << self.order) {
            Some(end) => end <= self.end,
            None => false,
        };

        if !inside || !block.is_aligned(SHIFT + self.order) {
            return Err(VmallocError::BadBlock {
                block,
                chunk: self.chunk,
            });
        }
        self.index += 1;
        // Each block takes a word of a chunk, of which there are few enough.
        self.blocks += 1;
        let found = self.blocks << self.order;

        if found > u64::from(self.area.total_pages) {
            return Err(VmallocError::WrongTotal {
                found,
                expected: self.area.total_pages,
            });
        }
        Ok(Some(block))
    }

    /// The next block, or [`None`] at the end.
    fn step(&mut self) -> Result<Option<PhysAddr>, VmallocError> {
        loop {
            let block = self.block()?;

            if block.is_some() || self.next.is_null() {
                return Ok(block);
            }
            self.enter()?;
        }
    }
}

impl<M: ChunkMem, const SHIFT: u32> Iterator for Walk<'_, M, SHIFT> {
    type Item = PhysAddr;

    fn next(&mut self) -> Option<PhysAddr> {
        self.step().unwrap_or_else(|_| {
            // Memory changed since the check: stop for good.
            self.chunk = PhysAddr::new(0);
            self.next = PhysAddr::new(0);
            None
        })
    }
}

/// Most chunks that an area can need: the last one may be empty, since it is allocated when the
/// one before is full.
const fn max_chunks<const SHIFT: u32>(area: &KhoVmalloc) -> u64 {
    let blocks = area.total_pages as u64 >> area.order;

    blocks / vmalloc_chunk_len(1 << SHIFT) as u64 + 1
}

/// The description of an area that was found to be sound.
///
/// Blocks may still overlap each other or not be preserved: restoring them tells.
///
/// # Invariants
///
/// When it was checked, the flags were known, all chunks readable, all blocks naturally aligned
/// and in memory, and as many as the area has pages for.
pub struct Area<'a, M, const SHIFT: u32 = PAGE_SHIFT> {
    /// Access to the chunks.
    mem: &'a M,
    /// The area, as described.
    area: KhoVmalloc,
    /// The page behind the end of memory.
    end: Pfn,
    /// The block, if there is only one.
    only: Option<PhysAddr>,
}

impl<'a, M: ChunkMem, const SHIFT: u32> Area<'a, M, SHIFT> {
    /// Reads the whole description. `end` is the page behind the end of memory.
    pub fn check(mem: &'a M, area: &KhoVmalloc, end: Pfn) -> Result<Self, VmallocError> {
        if area.flags & !VMALLOC_FLAGS != 0 {
            return Err(VmallocError::UnknownFlags { flags: area.flags });
        }
        // Of an order that high not one block fits into 32 bits of pages.
        let block = 1u32.checked_shl(u32::from(area.order)).unwrap_or(0);

        if area.total_pages == 0 || block == 0 || area.total_pages & (block - 1) != 0 {
            return Err(VmallocError::BadLength {
                pages: area.total_pages,
                order: area.order,
            });
        }
        if u64::from(area.total_pages) > end.get() {
            return Err(VmallocError::TooLong {
                pages: area.total_pages,
                end,
            });
        }
        let mut checked = Self {
            mem,
            area: *area,
            end,
            only: None,
        };
        let mut walk = checked.walk();

        while let Some(block) = walk.step()? {
            checked.only = (walk.blocks == 1).then_some(block);
        }
        let found = walk.blocks << walk.order;

        if found != u64::from(area.total_pages) {
            return Err(VmallocError::WrongTotal {
                found,
                expected: area.total_pages,
            });
        }
        // INVARIANT: the walk came to the end.
        Ok(checked)
    }

    /// A walk from the start.
    fn walk(&self) -> Walk<'a, M, SHIFT> {
        Walk {
            mem: self.mem,
            order: u32::from(self.area.order),
            end: self.end,
            chunk: PhysAddr::new(0),
            next: PhysAddr::new(self.area.first),
            index: 0,
            chunks_left: max_chunks::<SHIFT>(&self.area),
            blocks: 0,
            area: self.area,
        }
    }

    /// Length of the area in pages.
    pub const fn pages(&self) -> u32 {
        self.area.total_pages
    }

    /// Order of each block, at most 31.
    pub const fn order(&self) -> u32 {
        self.area.order as u32
    }

    /// `VMALLOC_*` flags.
    pub const fn flags(&self) -> u16 {
        self.area.flags
    }

    /// The address of the area's block, if there is only one. It was read once, by the check.
    pub const fn only_block(&self) -> Option<PhysAddr> {
        self.only
    }

    /// The addresses of the area's blocks, in the order in which they are mapped.
    pub fn blocks(&self) -> impl Iterator<Item = PhysAddr> + 'a
    where
        M: 'a,
    {
        self.walk()
    }

    /// The addresses of the chunks. A chunk is read before it is returned, so that the caller
    /// may free it at once.
    pub fn chunks(&self) -> impl Iterator<Item = PhysAddr> + 'a
    where
        M: 'a,
    {
        let mut walk = self.walk();

        core::iter::from_fn(move || {
            if walk.next.is_null() {
                return None;
            }
            walk.enter().ok()
        })
    }
}

#[cfg(test)]
#[path = "tests/vmalloc.rs"]
mod tests;
