// SPDX-License-Identifier: GPL-2.0

//! The pages that radix trees are made of.

use core::ptr::NonNull;

use kernel::prelude::*;

use crate::abi::addr::PhysAddr;
use crate::logic::radix::NodeAlloc;
use crate::logic::radix::NodeMem;
use crate::logic::radix::Tree;
use crate::logic::walk::ForeignTree;
use crate::logic::walk::Limits;
use crate::logic::walk::NodeCheck;

use super::bindings;
use super::direct_map;

/// Access to the nodes of one tree through the direct map.
///
/// # Invariants
///
/// Whoever is given one asks only for nodes that it got from [`NodeAlloc::alloc`], directly or by
/// following what it stored itself, or that passed a check against the machine's RAM.
pub(crate) struct TreePages(());

impl NodeMem for TreePages {
    #[inline(always)]
    fn load(&self, node: PhysAddr, word: usize) -> u64 {
        // SAFETY: By the type invariant `node` is a page of RAM in the direct map, and `word` is
        // below the number of words in a page.
        unsafe { direct_map::address_of(node).cast::<u64>().add(word).read() }
    }

    #[inline(always)]
    fn store(&self, node: PhysAddr, word: usize, value: u64) {
        // SAFETY: As above; a tree that is written to is made of nodes of our own.
        unsafe {
            direct_map::address_of(node)
                .cast::<u64>()
                .add(word)
                .write(value)
        };
    }
}

impl NodeAlloc for TreePages {
    fn alloc(&self) -> Option<PhysAddr> {
        // SAFETY: May be called once memblock or slab works, as it does wherever trees are built.
        let page = unsafe { bindings::lu_tree_page_alloc() };
        NonNull::new(page).map(|page| direct_map::phys_of(page.as_ptr()))
    }

    fn free(&self, node: PhysAddr) {
        // SAFETY: By the type invariant the node came from `alloc`.
        unsafe { bindings::lu_tree_page_free(direct_map::address_of(node).cast()) };
    }
}

/// Makes an empty tree. May sleep.
pub(crate) fn new_tree() -> Result<Tree<TreePages>> {
    // INVARIANT: A tree asks only for its own nodes.
    Tree::new(TreePages(())).ok_or(ENOMEM)
}

/// Looks at a tree of a C caller.
///
/// # Safety
///
/// `root` is the address of the root of a tree that was built by these functions, and the caller
/// keeps others from it for as long as the result lives.
pub(crate) unsafe fn borrow_tree(root: PhysAddr) -> Tree<TreePages> {
    // INVARIANT: By the caller's promise all nodes came from `alloc`.
    Tree::from_root(TreePages(()), root)
}

/// Looks at a tree that another kernel left, as far as `check` says that its nodes are RAM.
pub(crate) fn foreign_tree<C: RamCheck>(
    root: PhysAddr,
    check: C,
    limits: Limits,
) -> ForeignTree<TreePages, C> {
    // INVARIANT: A foreign tree is read only where `check` finds RAM.
    ForeignTree::new(TreePages(()), check, limits, root)
}

/// A check that lets only whole pages of RAM pass.
///
/// # Safety
///
/// `readable(node)` is true only if there is RAM in the direct map for the page at `node`.
pub(crate) unsafe trait RamCheck: NodeCheck {}
