// SPDX-License-Identifier: GPL-2.0

//! Radix trees that came from another kernel.
//!
//! Nothing in such a tree is taken for granted: no node is read before its address was checked,
//! and no key is passed on that does not stand for memory of this machine.

use core::fmt;

use super::key::Key;
use super::radix::span_bits;
use super::radix::NodeMem;
use super::walk::Frame;
use super::walk::Keys;
use super::walk::Nodes;
use super::walk::Policy;
use super::walk::Runs;
use super::walk::Walk;
use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::kho::Geometry;
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
