// SPDX-License-Identifier: GPL-2.0

//! Chains of blocks that came from another kernel.
//!
//! A chain is validated from end to end before anything in it is used: [`Chain::check`] is the
//! only way to get one. C counterpart: `kho_block_set_restore()`.

use core::fmt;

use crate::abi::addr::PhysAddr;
use crate::abi::block::entries_per_block;
use crate::abi::block::BlockHeader;
use crate::abi::block::MAX_BLOCKS;
use crate::abi::PAGE_SHIFT;

/// Access to the blocks of a chain.
pub trait BlockMem {
    /// The header at the start of the page at `block`, which is page-aligned and not zero;
    /// [`None`] where that is not memory that the previous kernel preserved.
    fn header(&self, block: PhysAddr) -> Option<BlockHeader>;
}

impl<F: Fn(PhysAddr) -> Option<BlockHeader>> BlockMem for F {
    fn header(&self, block: PhysAddr) -> Option<BlockHeader> {
        self(block)
    }
}

/// Size of a block and of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Binary logarithm of the size of a block in bytes.
    page_shift: u32,
    /// Most entries in a block.
    per_block: u64,
}

impl Layout {
    /// Blocks of one page with entries of type `T`.
    pub const fn of<T>() -> Self {
        Self::with(PAGE_SHIFT, core::mem::size_of::<T>())
    }

    /// Blocks of `1 << page_shift` bytes with entries of `entry_size` bytes.
    pub const fn with(page_shift: u32, entry_size: usize) -> Self {
        let per_block = match 1usize.checked_shl(page_shift) {
            Some(size) => entries_per_block(size, entry_size),
            None => 0,
        };

        Self {
            page_shift,
            per_block,
        }
    }

    /// Most entries in a block.
    pub const fn per_block(&self) -> u64 {
        self.per_block
    }
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// The address of a block is not that of a page.
    Misaligned {
        /// The address.
        block: PhysAddr,
        /// The block that points to it, or zero for the head.
        from: PhysAddr,
    },
    /// A block is not in preserved memory.
    Unreadable {
        /// The block.
        block: PhysAddr,
        /// The block that points to it, or zero for the head.
        from: PhysAddr,
    },
    /// A block says that it has no entries, or more than fit.
    BadCount {
        /// The block.
        block: PhysAddr,
        /// Number of entries that it has, as it says.
        count: u64,
        /// Most that it can have.
        max: u64,
    },
    /// The chain comes back to a block.
    Cycle {
        /// The block.
        block: PhysAddr,
    },
    /// The chain has more than [`MAX_BLOCKS`] blocks.
    TooLong,
    /// The chain has another number of entries than its owner says.
    WrongTotal {
        /// Entries in the chain.
        found: u64,
        /// Entries according to the owner.
        expected: u64,
    },
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Writes where the address of a block was found.
        fn found(f: &mut fmt::Formatter<'_>, from: PhysAddr) -> fmt::Result {
            if from.is_null() {
                f.write_str(" (head of the chain)")
            } else {
                write!(f, " (next of block {from})")
            }
        }

        match *self {
            Self::Misaligned { block, from } => {
                write!(f, "block address {block} is not page-aligned")?;
                found(f, from)
            }
            Self::Unreadable { block, from } => {
                write!(f, "block {block} is not in preserved memory")?;
                found(f, from)
            }
            Self::BadCount { block, count, max } => {
                write!(f, "block {block} has {count} entries, not 1 to {max}")
            }
            Self::Cycle { block } => write!(f, "chain comes back to block {block}"),
            Self::TooLong => write!(f, "chain has more than {MAX_BLOCKS} blocks"),
            Self::WrongTotal { found, expected } => {
                write!(f, "chain has {found} entries, its owner says {expected}")
            }
        }
    }
}

/// A block of a validated chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Physical address of the block's header.
    pub address: PhysAddr,
    /// Number of entries behind it.
    pub count: u64,
}

/// A chain that was found to be sound.
///
/// # Invariants
///
/// When it was checked, each block was page-aligned and readable, had as many entries as fit,
/// and came once.
#[derive(Debug)]
pub struct Chain<'a, M> {
    /// Access to the blocks.
    mem: &'a M,
    /// Size of blocks and entries.
    layout: Layout,
    /// The first block, or zero.
    head: PhysAddr,
    /// Number of blocks.
    blocks: u64,
    /// Number of entries in all blocks.
    entries: u64,
}

impl<'a, M: BlockMem> Chain<'a, M> {
    /// Walks the chain that begins at `head` to its end. Zero is the empty chain.
    pub fn check(mem: &'a M, head: u64, layout: Layout) -> Result<Self, ChainError> {
        let head = PhysAddr::new(head);
        let mut chain = Self {
            mem,
            layout,
            head,
            blocks: 0,
            entries: 0,
        };
        let mut from = PhysAddr::new(0);
        let mut next = head;
        // A block that was seen, taken anew at each power of two: on a cycle that is longer
        // than the way since, the walk meets it again.
        let mut mark = PhysAddr::new(0);

        while !next.is_null() {
            if next == mark {
                return Err(ChainError::Cycle { block: next });
            }
            if chain.blocks == MAX_BLOCKS {
                return Err(ChainError::TooLong);
            }
            let header = chain.header(next, from)?;

            if chain.blocks.is_power_of_two() {
                mark = next;
            }
            chain.blocks += 1;
            // 10,000 blocks of no more entries than a page has bytes.
            chain.entries += header.count;
            from = next;
            next = PhysAddr::new(header.next);
        }
        // INVARIANT: the loop saw the end of the chain, and `header` approved each block.
        Ok(chain)
    }

    /// Reads and checks one block.
    fn header(&self, block: PhysAddr, from: PhysAddr) -> Result<BlockHeader, ChainError> {
        if !block.is_aligned(self.layout.page_shift) {
            return Err(ChainError::Misaligned { block, from });
        }
        let header = self
            .mem
            .header(block)
            .ok_or(ChainError::Unreadable { block, from })?;

        // Mainline leaves an empty block behind full ones, if there was an error after it was made.
        let least = u64::from(header.next != 0);

        if header.count < least || header.count > self.layout.per_block {
            return Err(ChainError::BadCount {
                block,
                count: header.count,
                max: self.layout.per_block,
            });
        }
        Ok(header)
    }

    /// Checks that the chain has as many entries as its owner says.
    pub fn expect_total(self, expected: u64) -> Result<Self, ChainError> {
        if self.entries == expected {
            Ok(self)
        } else {
            Err(ChainError::WrongTotal {
                found: self.entries,
                expected,
            })
        }
    }

    /// Number of entries in all blocks.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Number of blocks.
    pub const fn nr_blocks(&self) -> u64 {
        self.blocks
    }

    /// The blocks, from the head on.
    ///
    /// Each block is read before it is returned, so that the caller may free it at once.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        let mut next = self.head;
        let mut from = PhysAddr::new(0);

        // Bounded, and checked again, so that even memory that changes does no harm.
        (0..self.blocks).map_while(move |_| {
            if next.is_null() {
                return None;
            }
            let header = self.header(next, from).ok()?;

            from = next;
            next = PhysAddr::new(header.next);
            Some(Block {
                address: from,
                count: header.count,
            })
        })
    }
}

#[cfg(test)]
#[path = "tests/chain.rs"]
mod tests;
