// SPDX-License-Identifier: GPL-2.0

//! A list that takes memory only for a second element: most chains are one block long.

use kernel::prelude::*;

/// Elements in the order in which they came.
///
/// # Invariants
///
/// Where there is no first element there are no others.
pub(crate) struct List<T> {
    first: Option<T>,
    others: KVVec<T>,
}

impl<T> List<T> {
    /// No elements.
    pub(crate) const fn new() -> Self {
        Self {
            first: None,
            others: KVVec::new(),
        }
    }

    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// The first element.
    pub(crate) fn first(&self) -> Option<&T> {
        self.first.as_ref()
    }

    /// Element number `index`.
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        match index.checked_sub(1) {
            None => self.first.as_mut(),
            Some(index) => self.others.get_mut(index),
        }
    }

    /// The last element.
    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        match self.others.last_mut() {
            None => self.first.as_mut(),
            last => last,
        }
    }

    /// All elements.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        Iterator::chain(self.first.iter(), self.others.iter())
    }

    /// All elements, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        Iterator::chain(self.first.iter_mut(), self.others.iter_mut())
    }

    /// Adds an element. `ENOMEM` without memory; then it is dropped.
    pub(crate) fn push(&mut self, element: T) -> Result {
        if self.first.is_none() {
            self.first = Some(element);
            return Ok(());
        }
        Ok(self.others.push(element, GFP_KERNEL)?)
    }

    /// Takes the last element out.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.others.pop().or_else(|| self.first.take())
    }

    /// Drops all but the first `len` elements.
    pub(crate) fn truncate(&mut self, len: usize) {
        match len.checked_sub(1) {
            // INVARIANT: All of them go.
            None => *self = Self::new(),
            Some(others) => self.others.truncate(others),
        }
    }
}
