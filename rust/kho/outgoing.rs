// SPDX-License-Identifier: GPL-2.0

//! What the next kernel must leave alone: the radix tree of preserved blocks.

use core::iter::once;

use kernel::prelude::*;
use kernel::warn_on;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
use crate::abi::kho::Geometry;
#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
use crate::abi::PAGE_SHIFT;
use crate::kernel::page;
use crate::kernel::page::Folio;
use crate::kernel::sync::MutexGuard;
use crate::kernel::sync::StaticMutex;
use crate::kernel::tree_page;
use crate::kernel::tree_page::TreePages;
use crate::logic::key::Key;
use crate::logic::radix::InsertError;
use crate::logic::radix::Tree;
use crate::logic::runs::Blocks;
use crate::logic::runs::Run;

use super::scratch;

/// The tree; none where KHO is off, and before [`start`].
static TREE: StaticMutex<Option<Tree<TreePages>>> = StaticMutex::new(c"kho_tree", None);

/// Makes the tree. Returns the address of its root, for the next kernel.
pub(super) fn start() -> Result<PhysAddr> {
    let tree = tree_page::new_tree()?;
    let root = tree.root();
    *TREE.lock() = Some(tree);
    Ok(root)
}

/// Frees the tree, when KHO could not be set up.
pub(super) fn stop() {
    if let Some(tree) = TREE.lock().take() {
        tree.destroy();
    }
}

/// The tree under its lock, for many operations in a row.
///
/// Neighbouring blocks are cheap: the tree remembers where it was. Others wait meanwhile, so that
/// nobody should go on for too long. Nothing is undone on drop.
pub(crate) struct Batch(MutexGuard<Option<Tree<TreePages>>>);

impl Batch {
    /// Takes the lock. May sleep. `EINVAL` where KHO is off.
    #[inline]
    pub(crate) fn begin() -> Result<Self> {
        let guard = TREE.lock();
        if guard.is_none() {
            return Err(EINVAL);
        }
        Ok(Self(guard))
    }

    /// Preserves blocks, given by runs of them; all of them or none. Their owner must not free or split
    /// them before they are unpreserved.
    ///
    /// Doing it twice is the same as doing it once. Cheapest where blocks that are near each other in
    /// memory are near each other in the list. May sleep. `ENOMEM`, or `EINVAL` if one of them
    /// lies in scratch memory (checked with `CONFIG_KEXEC_HANDOVER_DEBUG` only), `ERANGE` if one is not
    /// aligned or not within memory.
    ///
    /// C counterpart: `kho_preserve_folio()` for each.
    #[inline]
    pub(crate) fn preserve_runs(&mut self, runs: impl Iterator<Item = Run> + Clone) -> Result {
        if cfg!(CONFIG_KEXEC_HANDOVER_DEBUG) && runs.clone().any(|run| in_scratch(&run)) {
            return Err(EINVAL);
        }
        let tree = self.0.as_mut().ok_or(EINVAL)?;

        tree.insert_runs(runs.map(keys_of)).map_err(errno)
    }

    /// Takes [`Batch::preserve_runs`] back. C counterpart: `kho_unpreserve_folio()` for each.
    #[inline]
    pub(crate) fn unpreserve_runs(&mut self, runs: impl Iterator<Item = Run>) {
        let all = match self.0.as_mut() {
            Some(tree) => tree.remove_runs(runs.map(keys_of)),
            None => false,
        };
        if cfg!(CONFIG_KEXEC_HANDOVER_DEBUG) {
            // The caller's bug: who unpreserves what is not preserved has lost track.
            let _ = warn_on!(!all);
        }
    }

    /// Preserves one block.
    #[inline]
    fn preserve_block(&mut self, pfn: Pfn, order: u32) -> Result {
        self.preserve_runs(once(Run::single(pfn, order)))
    }

    #[inline]
    fn unpreserve_block(&mut self, pfn: Pfn, order: u32) {
        self.unpreserve_runs(once(Run::single(pfn, order)));
    }

    /// Preserves pages of order 0 from `start` to before `end`; all of them or none.
    ///
    /// C counterpart: `kho_preserve_pages()`.
    pub(crate) fn preserve_pages(&mut self, start: Pfn, end: Pfn) -> Result {
        for (pfn, order) in Blocks::new(start, end, page::node_of) {
            if let Err(error) = self.preserve_block(pfn, order) {
                self.unpreserve_until(start, end, pfn);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes [`Batch::preserve_pages`] with the same range back.
    ///
    /// C counterpart: `kho_unpreserve_pages()`.
    pub(crate) fn unpreserve_pages(&mut self, start: Pfn, end: Pfn) {
        self.unpreserve_until(start, end, end);
    }

    /// Unpreserves the blocks of a range up to the one at `stop`.
    fn unpreserve_until(&mut self, start: Pfn, end: Pfn, stop: Pfn) {
        for (pfn, order) in Blocks::new(start, end, page::node_of) {
            if pfn >= stop {
                return;
            }
            self.unpreserve_block(pfn, order);
        }
    }
}

/// The first key of a run, and how many there are; a key that no tree takes if there is no such run.
#[inline]
fn keys_of(run: Run) -> (u64, u64) {
    const NO_KEY: (u64, u64) = (u64::MAX - 1, 1);

    let Some(key) = <Key>::new(run.start, run.order) else {
        return NO_KEY;
    };
    // All keys of an order fit below the bit that tells it, in as many as there are.
    if run.count > 1 && run.count > 2 * <Key>::first_of(run.order) - key.raw() {
        return NO_KEY;
    }
    (key.raw(), run.count)
}

fn errno(error: InsertError) -> Error {
    match error {
        InsertError::OutOfMemory => ENOMEM,
        InsertError::Range => ERANGE,
    }
}

/// Whether a run lies in scratch memory, which the next kernel overwrites: the caller's bug.
#[inline]
fn in_scratch(run: &Run) -> bool {
    match run.end() {
        Some(end) => warn_on!(scratch::overlaps_pages(run.start, end)),
        None => true,
    }
}

/// Preserves one folio; see [`Batch::preserve_runs`].
pub(crate) fn preserve_folio(folio: &Folio) -> Result {
    Batch::begin()?.preserve_block(folio.pfn(), folio.order())
}

/// Unpreserves one folio; see [`Batch::unpreserve_runs`].
pub(crate) fn unpreserve_folio(folio: &Folio) {
    if let Ok(mut batch) = Batch::begin() {
        batch.unpreserve_block(folio.pfn(), folio.order());
    }
}

/// Unpreserves one block.
pub(super) fn unpreserve_block(pfn: Pfn, order: u32) {
    if let Ok(mut batch) = Batch::begin() {
        batch.unpreserve_block(pfn, order);
    }
}

/// Whether a block that begins at `phys` is preserved.
#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
pub(crate) fn is_preserved(phys: PhysAddr) -> bool {
    TREE.lock().as_ref().is_some_and(|tree| {
        (0..=Geometry::<PAGE_SHIFT>::MAX_ORDER)
            .filter_map(|order| <Key>::from_phys(phys, order))
            .any(|key| tree.contains(key.raw()))
    })
}
