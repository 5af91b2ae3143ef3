// SPDX-License-Identifier: GPL-2.0

//! Reading a radix tree from end to end.
//!
//! [`Walk`] goes over a tree without recursion and without allocation. What it takes for granted
//! is decided by its [`Policy`]: nothing to check in one's own tree, everything in a
//! [`ForeignTree`]. [`Keys`], [`Runs`] and [`Nodes`] are views of a walk.

use core::convert::Infallible;
use core::fmt;
use core::iter::FusedIterator;

use super::key::Key;
use super::radix::span_bits;
use super::radix::NodeMem;
use super::runs::Run;
use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::kho::Geometry;
use crate::abi::kho::MAX_DEPTH;
use crate::abi::PAGE_SHIFT;

/// Says which addresses may be read.
pub trait NodeCheck {
    /// Whether the page at `node`, which is page-aligned, is memory of this machine that can be
    /// read and that nothing has overwritten.
    fn readable(&self, node: PhysAddr) -> bool;
}

impl<F: Fn(PhysAddr) -> bool> NodeCheck for F {
    fn readable(&self, node: PhysAddr) -> bool {
        self(node)
    }
}

/// What a tree from another kernel may describe.
#[derive(Clone, Copy, Debug)]
pub struct Limits<const SHIFT: u32 = PAGE_SHIFT> {
    /// First page frame behind the end of memory.
    end: Pfn,
    /// Highest order of a block.
    max_order: u32,
    /// Most nodes to visit.
    max_nodes: u64,
}

impl<const SHIFT: u32> Limits<SHIFT> {
    /// Limits for a machine whose memory ends below frame `end`, and blocks of up to
    /// `max_order`.
    ///
    /// Preserved ranges are split into blocks as large as their alignment allows, so the order
    /// may well exceed the page allocator's; [`Geometry::MAX_ORDER`] accepts all.
    pub fn new(end: Pfn, max_order: u32) -> Self {
        let max_order = max_order.min(Geometry::<SHIFT>::MAX_ORDER);
        let mut max_nodes: u64 = 0;

        // The keys of one order are consecutive; at each level they meet as many nodes as they
        // fill, and one or two more.
        for order in 0..=max_order {
            for level in 0..Geometry::<SHIFT>::DEPTH {
                let nodes = (end.get() >> order) >> span_bits::<SHIFT>(level);

                max_nodes = max_nodes.saturating_add(nodes).saturating_add(2);
            }
        }
        Self {
            end,
            max_order,
            max_nodes,
        }
    }

    /// Lowers the number of nodes to visit, by default as many as a tree of this memory can
    /// have.
    pub fn with_max_nodes(mut self, max_nodes: u64) -> Self {
        self.max_nodes = self.max_nodes.min(max_nodes);
        self
    }

    /// The keys of `order` that are within the limits, as first and one behind the last.
    #[inline]
    fn keys_of(&self, order: u32) -> (u64, u64) {
        let first = Key::<SHIFT>::first_of(order);
        // An `end` with more bits than a frame number has cannot add keys.
        let blocks = (self.end.get() >> order).min(first);

        (first, first + blocks)
    }

    /// Whether at least one key from `first` to `last` inclusive is within the limits.
    fn admit_any(&self, first: u64, last: u64) -> bool {
        // Keys below 2 have no order, and none is wider than the last of order 0.
        let first = first.max(2);
        let last = last.min(Key::<SHIFT>::first_of(0) * 2 - 1);
        let (Some(highest), Some(lowest)) =
            (Key::<SHIFT>::from_raw(first), Key::<SHIFT>::from_raw(last))
        else {
            return false;
        };

        // In most ranges all keys are of one order.
        (lowest.order()..=highest.order().min(self.max_order)).any(|order| {
            let (begin, end) = self.keys_of(order);

            first < end && last >= begin
        })
    }

    /// The first key that is set in `bits` and not within the limits. Bit 0 of `bits` is key
    /// `base`.
    #[inline]
    fn first_bad(&self, base: u64, bits: u64) -> Option<u64> {
        if base >= 64 {
            // All of the word is of one order, and what is allowed of an order begins with its
            // first key.
            let last = base | u64::from(63 - bits.leading_zeros());

            if let Some(key) = Key::<SHIFT>::from_raw(last) {
                let order = key.order();

                if order <= self.max_order && last < self.keys_of(order).1 {
                    return None;
                }
            }
        }
        (0..64)
            .filter(|bit| bits >> bit & 1 != 0)
            .map(|bit| base | bit)
            .find(|key| !self.admit_any(*key, *key))
    }
}

/// What is wrong with a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The address of a node is not that of a page.
    Misaligned,
    /// The address of a node is not memory that can be read.
    Unreadable,
    /// A node contains itself.
    Cycle,
    /// The node stands for keys that no memory of this machine has.
    OutOfRange,
    /// The tree has more nodes than memory can need.
    TooManyNodes,
    /// A bitmap contains this key, which is of no block of this machine's memory.
    BadKey(u64),
}

/// A tree from another kernel is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Level of the node concerned; the bitmaps are level 0.
    pub level: u32,
    /// Slot by which the node hangs in its parent; for a bad key, the word in the bitmap.
    pub index: usize,
    /// Address of the node concerned.
    pub address: PhysAddr,
    /// What is wrong.
    pub why: Why,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            level,
            index,
            address,
            why,
        } = self;

        if let Why::BadKey(key) = why {
            return write!(
                f,
                "bitmap {address} word {index} has key {key:#x}, \
                 which stands for no memory of this machine"
            );
        }
        write!(f, "node {address} of level {level} in slot {index} ")?;
        f.write_str(match why {
            Why::Misaligned => "is not page-aligned",
            Why::Unreadable => "is not readable memory",
            Why::Cycle => "is its own ancestor",
            Why::OutOfRange => "stands for memory that this machine does not have",
            Why::TooManyNodes | Why::BadKey(_) => "is one more than this machine's memory needs",
        })
    }
}

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

/// The policy for a tree from another kernel.
#[derive(Debug)]
pub struct Foreign<'a, C, const SHIFT: u32 = PAGE_SHIFT> {
    /// Which addresses may be read.
    check: &'a C,
    /// What the tree may describe.
    limits: Limits<SHIFT>,
    /// Nodes visited so far.
    nodes: u64,
}

impl<C: NodeCheck, const SHIFT: u32> Policy for Foreign<'_, C, SHIFT> {
    type Error = Corrupt;

    fn enter(&mut self, frame: &Frame, ancestors: &[Frame]) -> Result<(), Corrupt> {
        let last = frame.base | ((1 << span_bits::<SHIFT>(frame.level)) - 1);
        let why = if !frame.node.is_aligned(SHIFT) {
            Why::Misaligned
        } else if ancestors.iter().any(|parent| parent.node == frame.node) {
            Why::Cycle
        } else if !self.limits.admit_any(frame.base, last) {
            Why::OutOfRange
        } else if self.nodes >= self.limits.max_nodes {
            Why::TooManyNodes
        } else if !self.check.readable(frame.node) {
            Why::Unreadable
        } else {
            self.nodes += 1;
            return Ok(());
        };

        Err(Corrupt {
            level: frame.level,
            index: frame.index,
            address: frame.node,
            why,
        })
    }

    #[inline]
    fn word(&self, leaf: PhysAddr, word: usize, base: u64, bits: u64) -> Result<(), Corrupt> {
        match self.limits.first_bad(base, bits) {
            None => Ok(()),
            Some(key) => Err(Corrupt {
                level: 0,
                index: word,
                address: leaf,
                why: Why::BadKey(key),
            }),
        }
    }
}

/// A node on the way from the root to where a walk is.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Address of the node.
    node: PhysAddr,
    /// Level of the node.
    level: u32,
    /// Slot by which the node hangs in its parent.
    index: usize,
    /// Next word to look at.
    next: usize,
    /// First key below the node.
    base: u64,
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
/// After an error it ends.
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
        }
    }

    /// Goes one level down.
    fn enter(&mut self, frame: Frame) -> Result<Step, P::Error> {
        let ancestors = (frame.level as usize + 1)..(Geometry::<SHIFT>::DEPTH as usize);

        if let Err(error) = self
            .policy
            .enter(&frame, self.path.get(ancestors).unwrap_or_default())
        {
            self.level = Geometry::<SHIFT>::DEPTH;
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

        while frame.next < Geometry::<SHIFT>::WORDS {
            let word = frame.next;
            let bits = self.mem.load(frame.node, word);

            frame.next += 1;
            if bits != 0 {
                // A bitmap's first key has zeroes where the index goes.
                let base = frame.base | (word as u64) << 6;

                if let Err(error) = self.policy.word(frame.node, word, base, bits) {
                    self.level = Geometry::<SHIFT>::DEPTH;
                    return Some(Err(error));
                }
                return Some(Ok(Step::Word { base, bits }));
            }
        }
        None
    }

    /// The next child of the current table.
    fn next_child(&mut self) -> Option<Frame> {
        let frame = self.path.get_mut(self.level as usize)?;

        while frame.next < Geometry::<SHIFT>::WORDS {
            let index = frame.next;
            let child = PhysAddr::new(self.mem.load(frame.node, index));

            frame.next += 1;
            if !child.is_null() {
                let level = frame.level - 1;

                return Some(Frame {
                    node: child,
                    level,
                    index,
                    next: 0,
                    base: frame.base | (index as u64) << span_bits::<SHIFT>(level),
                });
            }
        }
        None
    }
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

/// A tree that came from another kernel. It can only be read, and every step is checked.
///
/// Blocks of different orders may still overlap: whoever takes them into use has to notice.
pub struct ForeignTree<M, C, const SHIFT: u32 = PAGE_SHIFT> {
    /// Memory of the nodes.
    mem: M,
    /// Which addresses may be read.
    check: C,
    /// What the tree may describe.
    limits: Limits<SHIFT>,
    /// The topmost table.
    root: PhysAddr,
}

impl<M: NodeMem, C: NodeCheck, const SHIFT: u32> ForeignTree<M, C, SHIFT> {
    /// A tree whose topmost table is said to be at `root`. Nothing is read yet.
    pub const fn new(mem: M, check: C, limits: Limits<SHIFT>, root: PhysAddr) -> Self {
        Self {
            mem,
            check,
            limits,
            root,
        }
    }

    /// Walks over all nodes and all words of bitmaps that are not zero.
    pub fn walk(&self) -> Walk<'_, M, Foreign<'_, C, SHIFT>, SHIFT> {
        let policy = Foreign {
            check: &self.check,
            limits: self.limits,
            nodes: 0,
        };

        Walk::new(&self.mem, policy, self.root)
    }

    /// All keys in ascending order.
    pub fn keys(&self) -> Keys<'_, M, Foreign<'_, C, SHIFT>, SHIFT> {
        Keys::new(self.walk())
    }

    /// All preserved memory as maximal runs.
    pub fn runs(&self) -> Runs<'_, M, Foreign<'_, C, SHIFT>, SHIFT> {
        Runs::new(self.walk())
    }

    /// The addresses of all nodes.
    pub fn nodes(&self) -> Nodes<'_, M, Foreign<'_, C, SHIFT>, SHIFT> {
        Nodes::new(self.walk())
    }
}

#[cfg(test)]
#[path = "tests/walk.rs"]
mod tests;
