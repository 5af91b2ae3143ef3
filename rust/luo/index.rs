// SPDX-License-Identifier: GPL-2.0

//! An ordered map that can live in a static.
//!
//! A thin coat over the kernel's red-black tree, whose constructor is not `const`, and whose way to
//! insert replaces what is there.

use kernel::prelude::*;
use kernel::rbtree::Entry;
use kernel::rbtree::RBTree;
use kernel::rbtree::RBTreeNodeReservation;

/// Maps keys to values, in the order of the keys. All operations take logarithmic time.
pub(super) struct Index<K, V> {
    tree: Option<RBTree<K, V>>,
}

impl<K: Ord, V> Index<K, V> {
    /// An empty index.
    pub(super) const fn new() -> Self {
        Self { tree: None }
    }

    /// The value at `key`.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.tree.as_ref()?.get(key)
    }

    /// Adds a value. `EEXIST` if there is one at `key`, `ENOMEM` without memory.
    pub(super) fn insert(&mut self, key: K, value: V) -> Result {
        if self.get(&key).is_some() {
            return Err(EEXIST);
        }
        self.insert_within(Self::reserve()?, key, value)
    }

    /// Memory for one value, to be had before it is known where it goes. `ENOMEM` without.
    pub(super) fn reserve() -> Result<RBTreeNodeReservation<K, V>> {
        RBTreeNodeReservation::new(GFP_KERNEL)
    }

    /// Adds a value for which there is memory. `EEXIST` if there is one at `key`.
    pub(super) fn insert_within(
        &mut self,
        memory: RBTreeNodeReservation<K, V>,
        key: K,
        value: V,
    ) -> Result {
        match self.tree.get_or_insert_with(RBTree::new).entry(key) {
            Entry::Occupied(_) => Err(EEXIST),
            Entry::Vacant(place) => {
                place.insert(value, memory);
                Ok(())
            }
        }
    }

    /// Takes the value at `key` out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.tree.as_mut()?.remove(key)
    }

    /// All values, in the order of their keys.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.tree.iter().flat_map(RBTree::values)
    }
}

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
#[path = "tests/index.rs"]
mod tests;
