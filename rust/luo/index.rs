// SPDX-License-Identifier: GPL-2.0

//! An ordered map that can live in a static.
//!
//! A thin coat over the kernel's red-black tree, whose constructor is not `const`, with the two
//! things that its users here want: inserting that refuses to replace, and nodes that are
//! allocated before the point of no return.

use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::rbtree::RBTreeNode;

/// Maps keys to values, in the order of the keys. All operations take logarithmic time.
pub(super) struct Index<K, V> {
    tree: Option<RBTree<K, V>>,
}

/// Memory for an entry that is not in an [`Index`] yet.
pub(super) struct Entry<K, V>(RBTreeNode<K, V>);

impl<K, V> Entry<K, V> {
    /// Allocates an entry; `ENOMEM` if that fails.
    pub(super) fn new(key: K, value: V) -> Result<Self> {
        Ok(Self(RBTreeNode::new(key, value, GFP_KERNEL)?))
    }
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

    /// Adds an entry. One with the same key stays, and `entry` is dropped: the caller has looked.
    pub(super) fn insert_entry(&mut self, entry: Entry<K, V>) {
        let tree = self.tree.get_or_insert_with(RBTree::new);

        if let Some(old) = tree.insert(entry.0) {
            tree.insert(old);
        }
    }

    /// Adds a value. `EEXIST` if there is one at `key`, `ENOMEM` without memory.
    pub(super) fn insert(&mut self, key: K, value: V) -> Result {
        if self.get(&key).is_some() {
            return Err(EEXIST);
        }
        self.insert_entry(Entry::new(key, value)?);
        Ok(())
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
