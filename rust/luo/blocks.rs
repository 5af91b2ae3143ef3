// SPDX-License-Identifier: GPL-2.0

//! Chains of blocks: arrays of entries of any length, in pages of their own.
//!
//! C counterpart: `kho_block_set_*()`.

use core::cell::Cell;
use core::cell::RefCell;
use core::marker::PhantomData;
use core::mem::size_of;

use kernel::fmt;
use kernel::prelude::*;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;

use crate::abi::addr::PhysAddr;
use crate::abi::block::BlockHeader;
use crate::abi::block::MAX_BLOCKS;
use crate::abi::PAGE_SIZE;
use crate::kernel::list::List;
use crate::kho::Handed;
use crate::kho::Preserved;
use crate::logic::chain::Chain;
use crate::logic::chain::ChainError;
use crate::logic::chain::Layout;

/// Entries that fit into a block.
const fn per_block<T>() -> usize {
    Layout::of::<T>().per_block() as usize
}

/// The parts of a block: its header, and room for entries.
fn parts<T: FromBytes + IntoBytes + KnownLayout>(
    block: &mut Preserved,
) -> Result<(&mut BlockHeader, &mut [T])> {
    let (header, rest) = BlockHeader::mut_from_prefix(block.bytes_mut()).map_err(|_| EINVAL)?;
    let (slots, _) =
        <[T]>::mut_from_prefix_with_elems(rest, per_block::<T>()).map_err(|_| EINVAL)?;

    Ok((header, slots))
}

/// A chain for the next kernel, long enough for all entries before the first is written.
///
/// The blocks are there from the moment that something is added which will need an entry, so that
/// writing at the time of the jump cannot fail for want of memory.
///
/// # Invariants
///
/// `next` of each block is the address of the one behind it, and zero in the last.
pub(crate) struct BlockSet<T> {
    blocks: List<Preserved>,
    _entry: PhantomData<T>,
}

impl<T: FromBytes + IntoBytes + KnownLayout> BlockSet<T> {
    /// An empty chain.
    pub(crate) const fn new() -> Self {
        Self {
            blocks: List::new(),
            _entry: PhantomData,
        }
    }

    /// Makes room for `count` entries in all. `ENOSPC` beyond what a chain may have, `ENOMEM`
    /// without memory; either changes nothing.
    pub(crate) fn grow(&mut self, count: usize) -> Result {
        let had = self.blocks.len();

        while self.blocks.len() * per_block::<T>() < count {
            if let Err(err) = self.grow_one() {
                self.truncate(had);
                return Err(err);
            }
        }
        Ok(())
    }

    fn grow_one(&mut self) -> Result {
        if self.blocks.len() as u64 >= MAX_BLOCKS {
            return Err(ENOSPC);
        }
        let block = Preserved::new(PAGE_SIZE)?;
        let phys = block.phys();

        self.blocks.push(block)?;
        if let Some(before) = self.blocks.len().checked_sub(2) {
            self.update_header(before, |header| header.next = phys.get());
        }
        Ok(())
    }

    /// Frees the blocks that `count` entries do not need.
    pub(super) fn shrink(&mut self, count: usize) {
        self.truncate(count.div_ceil(per_block::<T>()));
    }

    fn truncate(&mut self, blocks: usize) {
        if blocks >= self.blocks.len() {
            return;
        }
        // Cut the chain first: nothing may ever point to a block that is gone.
        if let Some(last) = blocks.checked_sub(1) {
            self.update_header(last, |header| header.next = 0);
        }
        self.blocks.truncate(blocks);
    }

    /// The address of the first block, or zero.
    pub(crate) fn head(&self) -> u64 {
        self.blocks.first().map_or(0, |block| block.phys().get())
    }

    /// Writes an entry for each of `sources`: `write` does, one after the other.
    ///
    /// Stops at the first that fails, and says how many came before it. `ENOSPC` where no room was
    /// made. The chain is to be [cleared](Self::clear) after an error.
    pub(super) fn write<S>(
        &mut self,
        mut sources: impl Iterator<Item = S>,
        mut write: impl FnMut(S, &mut T) -> Result,
    ) -> Result<(), (usize, Error)> {
        let mut before = 0;

        for block in self.blocks.iter_mut() {
            let (header, slots) = parts::<T>(block).map_err(|error| (before, error))?;
            let mut count = 0;

            for (slot, source) in slots.iter_mut().zip(&mut sources) {
                write(source, slot).map_err(|error| (before + count, error))?;
                count += 1;
            }
            header.count = count as u64;
            before += count;
        }
        match sources.next() {
            None => Ok(()),
            Some(_) => Err((before, ENOSPC)),
        }
    }

    /// Entry `index`, to be changed while the chain is in use. It and all before it count as entries
    /// from now on; they are zero until they are written. [`None`] where no room was made.
    #[cfg_attr(not(CONFIG_PCI_LIVEUPDATE), expect(dead_code))]
    pub(crate) fn entry_mut(&mut self, index: usize) -> Option<&mut T> {
        let block = self.blocks.get_mut(index / per_block::<T>())?;
        let (header, slots) = parts::<T>(block).ok()?;
        let at = index % per_block::<T>();

        header.count = header.count.max(at as u64 + 1);
        slots.get_mut(at)
    }

    /// Removes all entries, and keeps the room for them.
    pub(super) fn clear(&mut self) {
        for block in self.blocks.iter_mut() {
            // The link to the next block is part of the room.
            if let Some(bytes) = block.bytes_mut().get_mut(size_of::<u64>()..PAGE_SIZE) {
                bytes.fill(0);
            }
        }
    }

    fn update_header(&mut self, block: usize, change: impl FnOnce(&mut BlockHeader)) {
        let bytes = self.blocks.get_mut(block).map(Preserved::bytes_mut);
        if let Some(Ok((header, _))) = bytes.map(BlockHeader::mut_from_prefix) {
            change(header);
        }
    }
}

/// What is wrong with a chain of the previous kernel.
pub(crate) enum Trouble {
    /// The chain itself.
    Chain(ChainError),
    /// The chain comes back to this block.
    Cycle(PhysAddr),
    /// There is a chain, and no entry in it.
    Empty,
    /// There was not enough memory to look.
    NoMemory,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The error is of a crate-independent module and has the standard trait.
            Self::Chain(err) => core::fmt::Display::fmt(err, f),
            Self::Cycle(block) => write!(f, "chain comes back to block {block}"),
            Self::Empty => f.write_str("invalid chain: it has no entries"),
            Self::NoMemory => f.write_str("out of memory"),
        }
    }
}

/// A chain of the previous kernel that is sound from end to end, and ours alone.
///
/// Dropping it leaves the memory as it was found; [`Self::free`] gives it to the system.
pub(crate) struct HandedChain<T> {
    blocks: List<HandedBlock>,
    entries: u64,
    _entry: PhantomData<T>,
}

/// A block of the previous kernel.
struct HandedBlock {
    phys: PhysAddr,
    memory: Handed,
    /// Entries in it.
    count: usize,
}

/// Claims blocks as the walk along a chain comes to them.
struct Claims {
    blocks: RefCell<List<HandedBlock>>,
    trouble: Cell<Option<Trouble>>,
}

impl Claims {
    fn header(&self, phys: PhysAddr) -> Option<BlockHeader> {
        let memory = match Handed::claim(phys) {
            Ok(memory) => memory,
            Err(_) => {
                // A block that is claimed looks like one that is not there. The walk ends here, so
                // that this search is made once.
                if self.blocks.borrow().iter().any(|it| it.phys == phys) {
                    self.trouble.set(Some(Trouble::Cycle(phys)));
                }
                return None;
            }
        };
        // A block is one page. Memory that starts here and is larger is something else.
        if memory.bytes().len() != PAGE_SIZE {
            return None;
        }
        let (header, _) = BlockHeader::read_from_prefix(memory.bytes()).ok()?;
        let mut blocks = self.blocks.borrow_mut();

        let block = HandedBlock {
            phys,
            memory,
            count: header.count as usize,
        };
        if blocks.push(block).is_err() {
            self.trouble.set(Some(Trouble::NoMemory));
            return None;
        }
        Some(header)
    }
}

impl<T: FromBytes> HandedChain<T> {
    /// Takes the chain that begins at `head`, if all of it is sound and nobody has any of it.
    pub(crate) fn claim(head: u64) -> Result<Self, Trouble> {
        let claims = Claims {
            blocks: RefCell::new(List::new()),
            trouble: Cell::new(None),
        };
        let walk = |phys: PhysAddr| claims.header(phys);
        let checked = Chain::check(&walk, head, Layout::of::<T>()).map(|chain| chain.entries());

        match checked {
            Ok(entries) => Ok(Self {
                blocks: claims.blocks.into_inner(),
                entries,
                _entry: PhantomData,
            }),
            Err(err) => Err(claims.trouble.take().unwrap_or(Trouble::Chain(err))),
        }
    }

    /// Checks that there are as many entries as the owner of the chain says.
    pub(crate) fn expect_total(self, expected: u64) -> Result<Self, Trouble> {
        if self.entries == expected {
            return Ok(self);
        }
        Err(Trouble::Chain(ChainError::WrongTotal {
            found: self.entries,
            expected,
        }))
    }

    /// Checks that there is any entry, where an owner without entries has no chain.
    pub(crate) fn expect_some(self) -> Result<Self, Trouble> {
        match self.entries {
            0 => Err(Trouble::Empty),
            _ => Ok(self),
        }
    }

    /// The entries, in the order in which they were written.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + '_
    where
        T: Immutable + KnownLayout,
    {
        self.blocks.iter().flat_map(|block| {
            let entries = block.memory.bytes().get(size_of::<BlockHeader>()..);

            // They fit: the chain is sound.
            match <[T]>::ref_from_prefix_with_elems(entries.unwrap_or(&[]), block.count) {
                Ok((entries, _)) => entries,
                Err(_) => &[],
            }
        })
    }

    /// Gives the memory to the system.
    pub(crate) fn free(mut self) {
        while let Some(block) = self.blocks.pop() {
            block.memory.free();
        }
    }
}

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
#[path = "tests/blocks.rs"]
mod tests;
