// SPDX-License-Identifier: GPL-2.0

//! The tree in which a kernel records what memory it preserves.
//!
//! This is the kernel's own, outgoing tree: its nodes are trusted. One that came from another
//! kernel is a [`ForeignTree`](super::foreign::ForeignTree), which can only be read.
//!
//! C counterpart: `kho_radix_add_key()` and its family.

use core::fmt;

use super::walk::Keys;
use super::walk::Nodes;
use super::walk::Runs;
use super::walk::Trusted;
use super::walk::Walk;
use crate::abi::addr::PhysAddr;
use crate::abi::kho::Geometry;
use crate::abi::kho::MAX_DEPTH;
use crate::abi::PAGE_SHIFT;

/// Access to the pages of a tree.
///
/// A node is one page of 64-bit words, addressed by the physical address of its first byte.
/// Callers pass only addresses that the allocator returned or that a
/// [`NodeCheck`](super::foreign::NodeCheck) approved, and only words below
/// [`Geometry::WORDS`].
pub trait NodeMem {
    /// Reads a word.
    fn load(&self, node: PhysAddr, word: usize) -> u64;

    /// Writes a word. Only ever called for an outgoing tree.
    fn store(&self, node: PhysAddr, word: usize, value: u64);
}

/// Source of pages for nodes.
pub trait NodeAlloc {
    /// Allocates a page full of zeroes, or [`None`] when there is no memory. Never returns
    /// address zero.
    fn alloc(&self) -> Option<PhysAddr>;

    /// Frees a page that [`NodeAlloc::alloc`] returned.
    fn free(&self, node: PhysAddr);
}

/// Why a key could not be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// No page for a node; the tree is as before (`ENOMEM`).
    OutOfMemory,
    /// The key has more than [`Geometry::KEY_WIDTH`] bits (`ERANGE`).
    Range,
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "no memory for a node of the tree",
            Self::Range => "key too wide for the tree",
        })
    }
}

/// Keys that share a word of a bitmap.
struct Pending {
    /// The word's number among those of all bitmaps: what the keys have in common.
    word: u64,
    bits: u64,
}

impl Pending {
    /// No keys.
    #[inline]
    fn new() -> Self {
        Self { word: 0, bits: 0 }
    }

    /// The first of them, but for the bits in the word.
    #[inline]
    fn first(&self) -> u64 {
        self.word << 6
    }

    /// Takes a single key in, if it shares the word. Tells whether it did.
    #[inline(always)]
    fn join(&mut self, key: u64, count: u64) -> bool {
        if count != 1 || key >> 6 != self.word {
            return false;
        }
        self.bits |= 1 << (key & 63);
        true
    }

    /// Starts over with a single key. Returns what was in here.
    #[inline(always)]
    fn start(&mut self, key: u64) -> Self {
        let fresh = Self {
            word: key >> 6,
            bits: 1 << (key & 63),
        };
        core::mem::replace(self, fresh)
    }

    /// Takes keys in from `key` to before `end`, as far as they share a word. Returns what was in here
    /// if that is another word.
    #[inline]
    fn replace(&mut self, key: u64, end: u64) -> Self {
        let count = (end - key).min(64 - (key & 63));
        // From 1 to 64 ones.
        let bits = (u64::MAX >> (64 - count)) << (key & 63);

        if key >> 6 == self.word {
            self.bits |= bits;
            return Self::new();
        }
        let fresh = Self {
            word: key >> 6,
            bits,
        };
        core::mem::replace(self, fresh)
    }

    /// The key behind the word, or `end` if that comes before.
    #[inline]
    fn end(&self, end: u64) -> u64 {
        // No tree has keys so wide that this is more than 64 bits.
        end.min(self.first().saturating_add(64))
    }
}

/// No leaf has this position: positions are below `1 << KEY_WIDTH`.
const NOWHERE: u64 = u64::MAX;

/// An outgoing tree: a set of keys of up to [`Geometry::KEY_WIDTH`] bits.
///
/// The tree remembers the leaf that it used last, so that neighbouring keys cost no walk.
/// Nodes are freed by [`Tree::destroy`] only; dropping a tree leaves them to the next kernel.
///
/// # Invariants
///
/// - `root` is a node of level `DEPTH - 1`, and the tree below it is well-formed.
/// - Unless `position` is [`NOWHERE`], the keys whose upper bits are `position` belong to
///   `leaf`. The same holds for `table_position` and `table`, a node of level 1. As no node is
///   freed while the tree lives, neither expires.
pub struct Tree<M, const SHIFT: u32 = PAGE_SHIFT> {
    /// Memory and allocator of the nodes.
    mem: M,
    /// The topmost table.
    root: PhysAddr,
    /// The leaf that was used last.
    leaf: PhysAddr,
    /// Upper bits of the keys in `leaf`, shifted down.
    position: u64,
    /// The table in which that leaf hangs.
    table: PhysAddr,
    /// Upper bits of the keys below `table`, shifted down.
    table_position: u64,
}

impl<M, const SHIFT: u32> Tree<M, SHIFT> {
    /// Takes over the tree below `root`, which this kernel built.
    #[inline]
    pub const fn from_root(mem: M, root: PhysAddr) -> Self {
        // INVARIANT: neither a leaf nor a table is remembered.
        Self {
            mem,
            root,
            leaf: PhysAddr::new(0),
            position: NOWHERE,
            table: PhysAddr::new(0),
            table_position: NOWHERE,
        }
    }

    /// Physical address of the topmost table, for the next kernel.
    #[inline]
    pub const fn root(&self) -> PhysAddr {
        self.root
    }
}

/// The bitmap word of a key, and the key's bit in it.
#[inline]
fn word_and_bit<const SHIFT: u32>(key: u64) -> (usize, u64) {
    let index = key & ((1 << Geometry::<SHIFT>::BITMAP_BITS) - 1);

    // A bitmap has at most `1 << 19` bits, so the cast loses nothing.
    ((index >> 6) as usize, 1 << (index & 63))
}

/// The slot for a key in a table of `level`.
#[inline]
fn slot_of<const SHIFT: u32>(key: u64, level: u32) -> usize {
    let index = key >> span_bits::<SHIFT>(level - 1);

    // Masked to the size of a table, so the cast loses nothing.
    (index & ((1 << Geometry::<SHIFT>::TABLE_BITS) - 1)) as usize
}

/// Binary logarithm of the number of keys below a node of `level`.
#[inline]
pub(super) const fn span_bits<const SHIFT: u32>(level: u32) -> u32 {
    Geometry::<SHIFT>::BITMAP_BITS + level * Geometry::<SHIFT>::TABLE_BITS
}

impl<M: NodeMem, const SHIFT: u32> Tree<M, SHIFT> {
    /// Removes a key; tells whether it was there.
    #[inline]
    pub fn remove(&mut self, key: u64) -> bool {
        if key >> Geometry::<SHIFT>::BITMAP_BITS != self.position && !self.seek(key) {
            return false;
        }
        let (word, bit) = word_and_bit::<SHIFT>(key);
        let old = self.mem.load(self.leaf, word);

        if old & bit == 0 {
            return false;
        }
        self.mem.store(self.leaf, word, old & !bit);
        true
    }

    /// Removes runs of keys, each given by its first key and their number; tells whether all of them
    /// were there. A key that is given twice may or may not be missed. Cheapest where those that share a
    /// word of a bitmap, 64 of them, follow each other.
    #[inline]
    pub fn remove_runs(&mut self, runs: impl Iterator<Item = (u64, u64)>) -> bool {
        let mut pending = Pending::new();
        let mut all = true;

        // Iterators that are made of others are quicker inside out.
        runs.for_each(|(first, count)| {
            if !pending.join(first, count) {
                all &= match count {
                    1 => self.remove_word(&pending.start(first)),
                    _ => self.remove_run(&mut pending, first, count),
                };
            }
        });
        self.remove_word(&pending) && all
    }

    fn remove_run(&mut self, pending: &mut Pending, first: u64, count: u64) -> bool {
        let end = first.saturating_add(count);
        let (mut key, mut all) = (first, true);

        while key < end {
            let full = pending.replace(key, end);

            all &= self.remove_word(&full);
            key = pending.end(end);
        }
        all
    }

    #[inline]
    fn remove_word(&mut self, keys: &Pending) -> bool {
        let first = keys.first();

        if keys.bits == 0 {
            return true;
        }
        if first >> Geometry::<SHIFT>::BITMAP_BITS != self.position && !self.seek(first) {
            return false;
        }
        let (word, _) = word_and_bit::<SHIFT>(first);
        let old = self.mem.load(self.leaf, word);

        self.mem.store(self.leaf, word, old & !keys.bits);
        old & keys.bits == keys.bits
    }

    /// Tells whether a key is in the tree.
    #[inline]
    pub fn contains(&self, key: u64) -> bool {
        let leaf = if key >> Geometry::<SHIFT>::BITMAP_BITS == self.position {
            self.leaf
        } else {
            match self.find(key) {
                Some(leaf) => leaf,
                None => return false,
            }
        };
        let (word, bit) = word_and_bit::<SHIFT>(key);

        self.mem.load(leaf, word) & bit != 0
    }

    /// Walks over all nodes and all words of bitmaps that are not zero.
    pub fn walk(&self) -> Walk<'_, M, Trusted, SHIFT> {
        Walk::new(&self.mem, Trusted, self.root)
    }

    /// All keys in ascending order.
    pub fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        Keys::new(self.walk()).map(|key| match key {
            Ok(key) => key,
            Err(never) => match never {},
        })
    }

    /// All preserved memory as maximal runs of blocks of one order, in ascending key order:
    /// high orders first.
    pub fn runs(&self) -> impl Iterator<Item = super::runs::Run> + '_ {
        Runs::new(self.walk()).map(|run| match run {
            Ok(run) => run,
            Err(never) => match never {},
        })
    }

    /// The addresses of all nodes, parents before their children.
    pub fn nodes(&self) -> impl Iterator<Item = PhysAddr> + '_ {
        Nodes::new(self.walk()).map(|node| match node {
            Ok(node) => node,
            Err(never) => match never {},
        })
    }

    /// Finds the leaf for a key.
    fn find(&self, key: u64) -> Option<PhysAddr> {
        if key >> Geometry::<SHIFT>::KEY_WIDTH != 0 {
            return None;
        }
        let mut node = self.root;

        for level in (1..Geometry::<SHIFT>::DEPTH).rev() {
            node = PhysAddr::new(self.mem.load(node, slot_of::<SHIFT>(key, level)));
            if node.is_null() {
                return None;
            }
        }
        Some(node)
    }

    /// Remembers the leaf for a key; false where there is none.
    fn seek(&mut self, key: u64) -> bool {
        self.seek_near(key) || self.seek_far(key)
    }

    /// Remembers the leaf for a key if it hangs in the table that was used last.
    #[inline]
    fn seek_near(&mut self, key: u64) -> bool {
        if key >> span_bits::<SHIFT>(1) != self.table_position {
            return false;
        }
        let leaf = PhysAddr::new(self.mem.load(self.table, slot_of::<SHIFT>(key, 1)));

        if leaf.is_null() {
            return false;
        }
        self.remember(leaf, key);
        true
    }

    /// Remembers the leaf for a key, wherever it is; false where there is none.
    #[cold]
    fn seek_far(&mut self, key: u64) -> bool {
        match self.find(key) {
            Some(leaf) => {
                self.remember(leaf, key);
                true
            }
            None => false,
        }
    }

    /// Remembers `leaf` as the leaf of `key`.
    fn remember(&mut self, leaf: PhysAddr, key: u64) {
        // INVARIANT: the callers got `leaf` by walking down with `key`.
        self.leaf = leaf;
        self.position = key >> Geometry::<SHIFT>::BITMAP_BITS;
    }
}

impl<M: NodeMem + NodeAlloc, const SHIFT: u32> Tree<M, SHIFT> {
    /// An empty tree; [`None`] when there is no memory for its root.
    pub fn new(mem: M) -> Option<Self> {
        let root = mem.alloc()?;

        Some(Self::from_root(mem, root))
    }

    /// Inserts a key; tells whether it is new.
    ///
    /// On an error the tree is as before, and what was allocated on the way is free again.
    #[inline]
    pub fn insert(&mut self, key: u64) -> Result<bool, InsertError> {
        if key >> Geometry::<SHIFT>::BITMAP_BITS != self.position {
            self.make_leaf(key)?;
        }
        let (word, bit) = word_and_bit::<SHIFT>(key);
        let old = self.mem.load(self.leaf, word);

        if old & bit != 0 {
            return Ok(false);
        }
        self.mem.store(self.leaf, word, old | bit);
        Ok(true)
    }

    /// Inserts runs of keys, each given by its first key and their number; those that are there already
    /// are left as they are. Cheapest where those that share a word of a bitmap, 64 of them, follow
    /// each other.
    ///
    /// On an error none of them is in the tree.
    #[inline]
    pub fn insert_runs(
        &mut self,
        runs: impl Iterator<Item = (u64, u64)> + Clone,
    ) -> Result<(), InsertError> {
        self.try_insert_runs(runs.clone()).inspect_err(|_| {
            self.remove_runs(runs);
        })
    }

    #[inline]
    fn try_insert_runs(
        &mut self,
        runs: impl Iterator<Item = (u64, u64)>,
    ) -> Result<(), InsertError> {
        let mut pending = Pending::new();
        let mut result = Ok(());

        // As in `remove_runs()`.
        runs.for_each(|(first, count)| {
            if !pending.join(first, count) && result.is_ok() {
                result = match count {
                    1 => self.insert_word(&pending.start(first)),
                    _ => self.insert_run(&mut pending, first, count),
                };
            }
        });
        result?;
        self.insert_word(&pending)
    }

    fn insert_run(
        &mut self,
        pending: &mut Pending,
        first: u64,
        count: u64,
    ) -> Result<(), InsertError> {
        let end = first.checked_add(count).ok_or(InsertError::Range)?;
        let mut key = first;

        while key < end {
            let full = pending.replace(key, end);

            self.insert_word(&full)?;
            key = pending.end(end);
        }
        Ok(())
    }

    #[inline]
    fn insert_word(&mut self, keys: &Pending) -> Result<(), InsertError> {
        let first = keys.first();

        if keys.bits == 0 {
            return Ok(());
        }
        if first >> Geometry::<SHIFT>::BITMAP_BITS != self.position {
            self.make_leaf(first)?;
        }
        let (word, _) = word_and_bit::<SHIFT>(first);

        self.mem
            .store(self.leaf, word, self.mem.load(self.leaf, word) | keys.bits);
        Ok(())
    }

    /// Remembers the leaf for a key, after having made what is missing of the way to it.
    fn make_leaf(&mut self, key: u64) -> Result<(), InsertError> {
        if self.seek_near(key) {
            return Ok(());
        }
        self.make_way(key)
    }

    /// The same from the root.
    #[cold]
    fn make_way(&mut self, key: u64) -> Result<(), InsertError> {
        if key >> Geometry::<SHIFT>::KEY_WIDTH != 0 {
            return Err(InsertError::Range);
        }
        let mut node = self.root;

        for level in (1..Geometry::<SHIFT>::DEPTH).rev() {
            let slot = slot_of::<SHIFT>(key, level);
            let next = PhysAddr::new(self.mem.load(node, slot));

            if next.is_null() {
                let (top, leaf) = self.make_branch(key, level)?;

                // The branch becomes visible complete.
                self.mem.store(node, slot, top.get());
                self.remember(leaf, key);
                return Ok(());
            }
            if level == 1 {
                // INVARIANT: `node` is of level 1 and on the way to `key`.
                self.table = node;
                self.table_position = key >> span_bits::<SHIFT>(1);
            }
            node = next;
        }
        self.remember(node, key);
        Ok(())
    }

    /// Makes the nodes of all levels below `level`, linked to each other on the way to `key`.
    /// Returns the topmost one and the leaf.
    fn make_branch(&self, key: u64, level: u32) -> Result<(PhysAddr, PhysAddr), InsertError> {
        let mut fresh = [PhysAddr::new(0); MAX_DEPTH];

        // From the leaf upwards.
        for made in 0..level as usize {
            match self.mem.alloc() {
                Some(page) => fresh[made] = page,
                None => {
                    for page in fresh.iter().take(made) {
                        self.mem.free(*page);
                    }
                    return Err(InsertError::OutOfMemory);
                }
            }
        }
        let mut top = fresh[0];

        for (upper, node) in (1..level).zip(fresh.iter().skip(1)) {
            self.mem
                .store(*node, slot_of::<SHIFT>(key, upper), top.get());
            top = *node;
        }
        Ok((top, fresh[0]))
    }

    /// Frees all nodes.
    pub fn destroy(self) {
        // Node and next slot, by level.
        let mut path = [(self.root, 0); MAX_DEPTH];
        let mut level = Geometry::<SHIFT>::DEPTH as usize - 1;

        loop {
            let (node, slot) = path[level];

            if level > 0 && slot < Geometry::<SHIFT>::WORDS {
                let child = PhysAddr::new(self.mem.load(node, slot));

                path[level].1 += 1;
                if !child.is_null() {
                    level -= 1;
                    path[level] = (child, 0);
                }
                continue;
            }
            self.mem.free(node);
            level += 1;
            if level == Geometry::<SHIFT>::DEPTH as usize {
                return;
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/radix.rs"]
mod tests;
