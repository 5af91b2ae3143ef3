// SPDX-License-Identifier: GPL-2.0

//! Memory for tests: pages of words by address, and an allocator that can be told to fail.

use std::boxed::Box;
use std::cell::Cell;
use std::cell::RefCell;
use std::vec::Vec;

use crate::abi::addr::PhysAddr;
use crate::logic::foreign::NodeCheck;
use crate::logic::radix::NodeAlloc;
use crate::logic::radix::NodeMem;

/// Runs one body for pages of 4, 16 and 64 KiB.
macro_rules! for_each_shift {
    ($run:ident $(, $arg:expr)*) => {
        $run::<12>($($arg),*);
        $run::<14>($($arg),*);
        $run::<16>($($arg),*);
    };
}
pub(crate) use for_each_shift;

/// Sparse memory with pages of `1 << SHIFT` bytes, all of them near the bottom. Reading a page
/// that does not exist panics.
pub(crate) struct Memory<const SHIFT: u32> {
    /// The pages that exist, by frame number.
    pages: RefCell<Vec<Option<Box<[u64]>>>>,
    /// Frame of the next page to be allocated.
    next: Cell<usize>,
    /// Number of pages that exist.
    count: Cell<usize>,
    /// Allocations until one fails.
    pub(crate) left: Cell<usize>,
}

impl<const SHIFT: u32> Memory<SHIFT> {
    pub(crate) fn new() -> Self {
        Self {
            pages: RefCell::new(Vec::new()),
            next: Cell::new(64),
            count: Cell::new(0),
            left: Cell::new(usize::MAX),
        }
    }

    /// Number of pages that exist.
    pub(crate) fn count(&self) -> usize {
        self.count.get()
    }

    /// Puts a page of zeroes at a frame.
    pub(crate) fn add(&self, frame: usize) -> PhysAddr {
        let mut pages = self.pages.borrow_mut();

        if pages.len() <= frame {
            pages.resize(frame + 1, None);
        }
        let old = pages[frame].replace(vec![0; 1 << (SHIFT - 3)].into_boxed_slice());

        assert!(old.is_none());
        self.count.set(self.count.get() + 1);
        PhysAddr::new((frame as u64) << SHIFT)
    }

    /// Frame of an address that must be that of a page.
    fn frame(address: PhysAddr) -> usize {
        assert!(address.is_aligned(SHIFT), "{address} is no page");
        (address.get() >> SHIFT) as usize
    }

    /// Whether a page exists at an address.
    pub(crate) fn exists(&self, address: PhysAddr) -> bool {
        matches!(self.pages.borrow().get(Self::frame(address)), Some(Some(_)))
    }
}

impl<const SHIFT: u32> NodeMem for &Memory<SHIFT> {
    fn load(&self, node: PhysAddr, word: usize) -> u64 {
        match self.pages.borrow().get(Memory::<SHIFT>::frame(node)) {
            Some(Some(page)) => page[word],
            _ => panic!("load from {node}, where nothing is"),
        }
    }

    fn store(&self, node: PhysAddr, word: usize, value: u64) {
        match self
            .pages
            .borrow_mut()
            .get_mut(Memory::<SHIFT>::frame(node))
        {
            Some(Some(page)) => page[word] = value,
            _ => panic!("store to {node}, where nothing is"),
        }
    }
}

impl<const SHIFT: u32> NodeAlloc for &Memory<SHIFT> {
    fn alloc(&self) -> Option<PhysAddr> {
        self.left.set(self.left.get().checked_sub(1)?);
        self.next.set(self.next.get() + 1);
        Some(self.add(self.next.get()))
    }

    fn free(&self, node: PhysAddr) {
        let page = self.pages.borrow_mut()[Memory::<SHIFT>::frame(node)].take();

        assert!(page.is_some(), "double free of {node}");
        self.count.set(self.count.get() - 1);
    }
}

impl<const SHIFT: u32> NodeCheck for &Memory<SHIFT> {
    fn readable(&self, node: PhysAddr) -> bool {
        self.exists(node)
    }
}
