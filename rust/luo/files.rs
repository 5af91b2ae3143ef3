// SPDX-License-Identifier: GPL-2.0

//! Files in the order in which they came, found by token.
//!
//! Who numbers his files in ascending order, as most do, needs nothing but the list to find them.
//! An index comes with the first token that is not greater than the one before it.

use kernel::prelude::*;

use super::index::Index;

/// What has a token.
pub(super) trait HasToken {
    /// The number by which userspace asks for it.
    fn token(&self) -> u64;
}

/// A list of files, no two of which have the same token.
///
/// # Invariants
///
/// `by_token` has the position of each file in the list, or there is none and the tokens ascend.
pub(super) struct Files<F> {
    list: KVVec<F>,
    by_token: Option<Index<u64, usize>>,
}

impl<F: HasToken> Files<F> {
    /// No files.
    pub(super) const fn new() -> Self {
        Self {
            list: KVVec::new(),
            by_token: None,
        }
    }

    /// The number of files.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Makes room for `more` files.
    pub(super) fn reserve(&mut self, more: usize) -> Result {
        Ok(self.list.reserve(more, GFP_KERNEL)?)
    }

    /// Whether there is a file with this token.
    pub(super) fn contains(&self, token: u64) -> bool {
        self.position(token).is_some()
    }

    /// Adds a file. `EEXIST` if there is one with its token, `ENOMEM` without memory; the file is
    /// dropped then.
    pub(super) fn push(&mut self, file: F) -> Result {
        let token = file.token();

        self.list.reserve(1, GFP_KERNEL)?;
        match (&mut self.by_token, self.list.last()) {
            (None, Some(last)) if token <= last.token() => self.start_index(token)?,
            (None, _) => {}
            (Some(by_token), _) => by_token.insert(token, self.list.len())?,
        }
        Ok(self.list.push(file, GFP_KERNEL)?)
    }

    /// Makes the index of all files, and of one with `token` that is about to follow.
    #[cold]
    fn start_index(&mut self, token: u64) -> Result {
        let mut by_token = Index::new();
        let tokens = self.list.iter().map(HasToken::token);

        for (position, token) in Iterator::chain(tokens, [token]).enumerate() {
            by_token.insert(token, position)?;
        }
        self.by_token = Some(by_token);
        Ok(())
    }

    fn position(&self, token: u64) -> Option<usize> {
        match &self.by_token {
            Some(by_token) => by_token.get(&token).copied(),
            None => self.list.binary_search_by_key(&token, F::token).ok(),
        }
    }

    /// The file with this token.
    pub(super) fn find_mut(&mut self, token: u64) -> Option<&mut F> {
        let position = self.position(token)?;

        self.list.get_mut(position)
    }

    /// The files, first one first.
    pub(super) fn as_slice(&self) -> &[F] {
        &self.list
    }

    /// The files, first one first, to be changed; not their tokens.
    pub(super) fn as_mut_slice(&mut self) -> &mut [F] {
        &mut self.list
    }

    /// Takes the last file out.
    pub(super) fn pop(&mut self) -> Option<F> {
        let file = self.list.pop()?;

        if let Some(by_token) = &mut self.by_token {
            by_token.remove(&file.token());
        }
        Some(file)
    }
}

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
#[path = "tests/files.rs"]
mod tests;
