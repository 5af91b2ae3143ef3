// SPDX-License-Identifier: GPL-2.0

//! Reading a radix tree from end to end.
//!
//! [`Walk`] goes over a tree without recursion and without allocation. What it takes for granted
//! is decided by its [`Policy`]: nothing to check in one's own tree, everything in a
//! [`ForeignTree`](super::foreign::ForeignTree). [`Keys`], [`Runs`] and [`Nodes`] are views of a walk.

use core::convert::Infallible;
use core::iter::FusedIterator;

use super::key::Key;
use super::radix::span_bits;
use super::radix::NodeMem;
use super::runs::Run;
use crate::abi::addr::PhysAddr;
use crate::abi::kho::Geometry;
use crate::abi::kho::MAX_DEPTH;
use crate::abi::PAGE_SHIFT;

// To read a foreign tree takes both modules: one import path serves.
pub use super::foreign::Corrupt;
pub use super::foreign::ForeignTree;
pub use super::foreign::Limits;
pub use super::foreign::NodeCheck;
pub use super::foreign::Why;

/// What a walk has to check before it follows an address or passes on a word.
pub trait Policy {
    /// What is returned where a check fails.
    type Error;

    /// Called before the node at `frame` is read, `ancestors` being its parents in any order.
    fn enter(&mut self, frame: &Frame, ancestors: &[Frame]) -> Result<(), Self::Error>;

    /// Called before a word that is not zero is passed on. Bit 0 is key `base`.
    fn word(&self, leaf: PhysAddr, word: usize, base: u64, bits: u64) -> Result<(), Self::Error>;
}

/// The policy for a tree that this kernel built: no checks.
#[derive(Clone, Copy, Debug)]
pub struct Trusted;

impl Policy for Trusted {
    type Error = Infallible;

    #[inline]
    fn enter(&mut self, _: &Frame, _: &[Frame]) -> Result<(), Infallible> {
        Ok(())
    }

    #[inline]
    fn word(&self, _: PhysAddr, _: usize, _: u64, _: u64) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A node on the way from the root to where a walk is.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Address of the node.
    pub(super) node: PhysAddr,
    /// Level of the node.
    pub(super) level: u32,
    /// Slot by which the node hangs in its parent.
    pub(super) index: usize,
    /// Next word to look at.
    next: usize,
    /// First key below the node.
    pub(super) base: u64,
}

/// A step of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The walk enters a node.
    Node {
        /// Address of the node.
        address: PhysAddr,
        /// Its level; the bitmaps are level 0.
        level: u32,
    },
    /// A word of a bitmap that is not zero.
    Word {
        /// The key of bit 0.
        base: u64,
        /// The word: bit `i` set means that key `base + i` is in the tree.
        bits: u64,
    },
}

/// Iterator over the nodes of a tree and the words of its bitmaps, in ascending key order.
///
/// After an error it ends, unless it is told to go on by [`Walk::past_errors`].
pub struct Walk<'a, M, P, const SHIFT: u32 = PAGE_SHIFT> {
    /// Memory of the nodes.
    mem: &'a M,
    /// What to check.
    policy: P,
    /// Way from the root to here, indexed by level.
    path: [Frame; MAX_DEPTH],
    /// Level of the node that is being read; `DEPTH` before the root is and when all are.
    level: u32,
    /// The root has not been entered yet.
    unborn: bool,
    /// Bitmaps are read, not only found.
    bitmaps: bool,
    /// What is wrong is left out, and the walk goes on behind it.
    past_errors: bool,
}

impl<'a, M: NodeMem, P: Policy, const SHIFT: u32> Walk<'a, M, P, SHIFT> {
    /// A walk over the tree below `root`.
    pub(super) fn new(mem: &'a M, policy: P, root: PhysAddr) -> Self {
        let frame = Frame {
            node: root,
            level: Geometry::<SHIFT>::DEPTH - 1,
            index: 0,
            next: 0,
            base: 0,
        };

        Self {
            mem,
            policy,
            path: [frame; MAX_DEPTH],
            level: Geometry::<SHIFT>::DEPTH,
            unborn: true,
            bitmaps: true,
            past_errors: false,
        }
    }

    /// Goes on after errors: with the next slot, or the next word of a bitmap.
    pub fn past_errors(mut self) -> Self {
        self.past_errors = true;
        self
    }

    /// Leaves out what is below the node that was just entered.
    pub fn skip_node(&mut self) {
        if let Some(frame) = self.path.get_mut(self.level as usize) {
            frame.next = Geometry::<SHIFT>::WORDS;
        }
    }

    /// Ends the walk after an error, if that is what is wanted.
    fn failed(&mut self) {
        if !self.past_errors {
            self.level = Geometry::<SHIFT>::DEPTH;
        }
    }

    /// Goes one level down.
    fn enter(&mut self, frame: Frame) -> Result<Step, P::Error> {
        let ancestors = (frame.level as usize + 1)..(Geometry::<SHIFT>::DEPTH as usize);

        if let Err(error) = self
            .policy
            .enter(&frame, self.path.get(ancestors).unwrap_or_default())
        {
            self.failed();
            return Err(error);
        }
        self.level = frame.level;
        self.path[frame.level as usize] = frame;
        Ok(Step::Node {
            address: frame.node,
            level: frame.level,
        })
    }

    /// The next word of the current bitmap that is not zero.
    #[inline]
    fn next_word(&mut self) -> Option<Result<Step, P::Error>> {
        let frame = &mut self.path[0];

        let Some((word, bits)) = next_nonzero::<M, SHIFT>(self.mem, frame.node, frame.next) else {
            frame.next = Geometry::<SHIFT>::WORDS;
            return None;
        };
        frame.next = word + 1;
        // A bitmap's first key has zeroes where the index goes.
        let base = frame.base | (word as u64) << 6;

        Some(match self.policy.word(frame.node, word, base, bits) {
            Ok(()) => Ok(Step::Word { base, bits }),
            Err(error) => {
                self.failed();
                Err(error)
            }
        })
    }

    /// The next child of the current table.
    fn next_child(&mut self) -> Option<Frame> {
        let frame = self.path.get_mut(self.level as usize)?;

        let Some((index, child)) = next_nonzero::<M, SHIFT>(self.mem, frame.node, frame.next)
        else {
            frame.next = Geometry::<SHIFT>::WORDS;
            return None;
        };
        frame.next = index + 1;
        let level = frame.level - 1;

        Some(Frame {
            node: PhysAddr::new(child),
            level,
            index,
            next: 0,
            base: frame.base | (index as u64) << span_bits::<SHIFT>(level),
        })
    }
}

/// Words that are looked at together where they are likely to be zero.
const STRIDE: usize = 8;

/// The first word of `node` from `word` on that is not zero, and what it is. Most of a tree is
/// empty.
#[inline]
fn next_nonzero<M: NodeMem, const SHIFT: u32>(
    mem: &M,
    node: PhysAddr,
    mut word: usize,
) -> Option<(usize, u64)> {
    while word < Geometry::<SHIFT>::WORDS {
        let value = mem.load(node, word);

        if value != 0 {
            return Some((word, value));
        }
        word += 1;
        while word + STRIDE <= Geometry::<SHIFT>::WORDS
            && (word..word + STRIDE).fold(0, |any, word| any | mem.load(node, word)) == 0
        {
            word += STRIDE;
        }
    }
    None
}

impl<M: NodeMem, P: Policy, const SHIFT: u32> Iterator for Walk<'_, M, P, SHIFT> {
    type Item = Result<Step, P::Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.unborn {
            self.unborn = false;
            return Some(self.enter(self.path[0]));
        }
        while self.level < Geometry::<SHIFT>::DEPTH {
            if self.level > 0 {
                if let Some(child) = self.next_child() {
                    return Some(self.enter(child));
                }
            } else if self.bitmaps {
                if let Some(step) = self.next_word() {
                    return Some(step);
                }
            }
            self.level += 1;
        }
        None
    }
}

impl<M: NodeMem, P: Policy, const SHIFT: u32> FusedIterator for Walk<'_, M, P, SHIFT> {}

/// Iterator over the keys of a tree, in ascending order.
///
/// In a foreign tree all of them are within the limits, so that [`Key::from_raw`] accepts them.
pub struct Keys<'a, M, P, const SHIFT: u32 = PAGE_SHIFT> {
    /// Where the words come from.
    walk: Walk<'a, M, P, SHIFT>,
    /// The key of bit 0 of `bits`.
    base: u64,
    /// Keys of the current word that are still to be returned.
    bits: u64,
}

impl<'a, M: NodeMem, P: Policy, const SHIFT: u32> Keys<'a, M, P, SHIFT> {
    /// The keys that `walk` meets.
    pub fn new(walk: Walk<'a, M, P, SHIFT>) -> Self {
        Self {
            walk,
            base: 0,
            bits: 0,
        }
    }
}

impl<M: NodeMem, P: Policy, const SHIFT: u32> Iterator for Keys<'_, M, P, SHIFT> {
    type Item = Result<u64, P::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.bits == 0 {
            match self.walk.next()? {
                Ok(Step::Word { base, bits }) => {
                    self.base = base;
                    self.bits = bits;
                }
                Ok(Step::Node { .. }) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        let key = self.base | u64::from(self.bits.trailing_zeros());

        self.bits &= self.bits - 1;
        Some(Ok(key))
    }
}

/// Iterator over the addresses of a tree's nodes, parents before their children.
///
/// Does not read the bitmaps.
pub struct Nodes<'a, M, P, const SHIFT: u32 = PAGE_SHIFT>(Walk<'a, M, P, SHIFT>);

impl<'a, M: NodeMem, P: Policy, const SHIFT: u32> Nodes<'a, M, P, SHIFT> {
    /// The nodes that `walk` meets.
    pub fn new(mut walk: Walk<'a, M, P, SHIFT>) -> Self {
        walk.bitmaps = false;
        Self(walk)
    }
}

impl<M: NodeMem, P: Policy, const SHIFT: u32> Iterator for Nodes<'_, M, P, SHIFT> {
    type Item = Result<PhysAddr, P::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.next()? {
                Ok(Step::Node { address, .. }) => return Some(Ok(address)),
                Ok(Step::Word { .. }) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Iterator over maximal runs of consecutive blocks of one order, in ascending key order: high
/// orders first, and within an order by address.
///
/// Blocks of different orders are never in one run, even where they touch.
pub struct Runs<'a, M, P: Policy, const SHIFT: u32 = PAGE_SHIFT> {
    /// Where the words come from.
    walk: Walk<'a, M, P, SHIFT>,
    /// The key of bit 0 of `bits`.
    base: u64,
    /// Keys of the current word that are in no run yet.
    bits: u64,
    /// First key of the run that is being put together.
    first: u64,
    /// The key behind its last one.
    end: u64,
    /// An error to return after the last run.
    error: Option<P::Error>,
}

impl<'a, M: NodeMem, P: Policy, const SHIFT: u32> Runs<'a, M, P, SHIFT> {
    /// The runs that `walk` meets.
    pub fn new(walk: Walk<'a, M, P, SHIFT>) -> Self {
        Self {
            walk,
            base: 0,
            bits: 0,
            first: 0,
            end: 0,
            error: None,
        }
    }

    /// Takes the run that was put together and begins one from `first` to before `end`.
    fn replace(&mut self, first: u64, end: u64) -> Option<Run> {
        let run = Key::<SHIFT>::from_raw(self.first).map(|key| Run {
            start: key.pfn(),
            order: key.order(),
            count: self.end - self.first,
        });

        self.first = first;
        self.end = end;
        run
    }

    /// Whether a key follows the run that is being put together and is of the same order.
    #[inline]
    fn continues(&self, key: u64) -> bool {
        // A power of two is the first key of an order. Nothing comes before key zero.
        key == self.end && key & key.wrapping_sub(1) != 0
    }

    /// Fetches words until one is left to be dealt with; false where the walk is over.
    #[inline]
    fn refill(&mut self) -> bool {
        while self.bits == 0 {
            match self.walk.next() {
                Some(Ok(Step::Word { base, bits })) => {
                    if bits == u64::MAX && self.continues(base) {
                        self.end += 64;
                        continue;
                    }
                    self.base = base;
                    self.bits = bits;
                }
                Some(Ok(Step::Node { .. })) => {}
                Some(Err(error)) => {
                    self.error = Some(error);
                    return false;
                }
                None => return false,
            }
        }
        true
    }
}

impl<M: NodeMem, P: Policy, const SHIFT: u32> Iterator for Runs<'_, M, P, SHIFT> {
    type Item = Result<Run, P::Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while self.refill() {
            let skip = self.bits.trailing_zeros();
            let first = self.base | u64::from(skip);
            let mut len = u64::from((self.bits >> skip).trailing_ones());

            if first < 64 {
                // Only the very first word has keys of several orders.
                let next_order = match first.checked_ilog2() {
                    Some(bit) => 2 << bit,
                    None => 1,
                };

                len = len.min(next_order - first);
            }
            let taken = if len == 64 { u64::MAX } else { (1 << len) - 1 };

            self.bits &= !(taken << skip);
            if self.continues(first) {
                self.end += len;
            } else if let Some(run) = self.replace(first, first + len) {
                return Some(Ok(run));
            }
        }
        match self.replace(0, 0) {
            Some(run) => Some(Ok(run)),
            None => self.error.take().map(Err),
        }
    }
}

#[cfg(test)]
#[path = "tests/walk.rs"]
mod tests;
