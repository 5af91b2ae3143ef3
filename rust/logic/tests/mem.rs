// SPDX-License-Identifier: GPL-2.0

//! Memory for tests: pages of words by address, and an allocator that can be told to fail.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::vec::Vec;

use crate::abi::addr::PhysAddr;
use crate::logic::radix::NodeAlloc;
use crate::logic::radix::NodeMem;
use crate::logic::walk::NodeCheck;

/// Sparse memory with pages of `1 << SHIFT` bytes.
pub(crate) struct Memory<const SHIFT: u32> {
    /// The pages that exist.
    pub(crate) pages: RefCell<BTreeMap<u64, Vec<u64>>>,
    /// Address of the next page to be allocated.
    next: Cell<u64>,
    /// Allocations until one fails.
    pub(crate) left: Cell<usize>,
}

impl<const SHIFT: u32> Memory<SHIFT> {
    pub(crate) fn new() -> Self {
        Self {
            pages: RefCell::new(BTreeMap::new()),
            next: Cell::new(0x10_0000),
            left: Cell::new(usize::MAX),
        }
    }

    /// Number of pages that exist.
    pub(crate) fn count(&self) -> usize {
        self.pages.borrow().len()
    }

    /// Puts a page of zeroes at an address.
    pub(crate) fn add(&self, address: u64) -> PhysAddr {
        let zeroes = vec![0; 1 << (SHIFT - 3)];

        assert!(self.pages.borrow_mut().insert(address, zeroes).is_none());
        PhysAddr::new(address)
    }
}

impl<const SHIFT: u32> NodeMem for &Memory<SHIFT> {
    fn load(&self, node: PhysAddr, word: usize) -> u64 {
        self.pages.borrow()[&node.get()][word]
    }

    fn store(&self, node: PhysAddr, word: usize, value: u64) {
        self.pages
            .borrow_mut()
            .get_mut(&node.get())
            .expect("store to a page that exists")[word] = value;
    }
}

impl<const SHIFT: u32> NodeAlloc for &Memory<SHIFT> {
    fn alloc(&self) -> Option<PhysAddr> {
        self.left.set(self.left.get().checked_sub(1)?);
        let address = self.next.get();

        self.next.set(address + (1 << SHIFT));
        Some(self.add(address))
    }

    fn free(&self, node: PhysAddr) {
        assert!(
            self.pages.borrow_mut().remove(&node.get()).is_some(),
            "double free of {node}"
        );
    }
}

impl<const SHIFT: u32> NodeCheck for &Memory<SHIFT> {
    fn readable(&self, node: PhysAddr) -> bool {
        self.pages.borrow().contains_key(&node.get())
    }
}
