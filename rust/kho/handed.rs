// SPDX-License-Identifier: GPL-2.0

//! Memory that the previous kernel left, before it is restored.

use kernel::prelude::*;

use crate::abi::addr::PhysAddr;
use crate::abi::PAGE_SHIFT;
use crate::kernel::mark::ClaimedPages;
use crate::kernel::mark::MarkedPage;
use crate::kernel::mark::Marks;
use crate::kernel::taken::ManagedPages;

use super::incoming;

/// An exclusive claim on a block that the previous kernel preserved.
///
/// The memory is what the previous kernel made it: input. It can be read, and then be freed.
/// Dropping the claim leaves the block preserved, for another one to claim.
///
/// Only one claim on a block can exist, so that structures that refer to each other in circles, or
/// two that share a block, are noticed by the second claim.
pub(crate) struct Handed(ClaimedPages);

impl Handed {
    /// Claims the block that begins at `phys`.
    ///
    /// `EINVAL` for an address that is not that of a page, `EBUSY` if there is a claim on it,
    /// `ENOENT` if nothing preserved begins there, or it was restored already, or there is no
    /// handover to restore from.
    pub(crate) fn claim(phys: PhysAddr) -> Result<Self> {
        Self::claim_by(&mut Marks::new(), phys)
    }

    /// The same, with `marks` to look for the block.
    pub(super) fn claim_by(marks: &mut Marks, phys: PhysAddr) -> Result<Self> {
        if !phys.is_aligned(PAGE_SHIFT) {
            return Err(EINVAL);
        }
        if !incoming::is_kho_boot() {
            return Err(ENOENT);
        }
        match marks.find(phys.pfn()).and_then(MarkedPage::claim) {
            Some(claimed) => Ok(Self(claimed)),
            None if MarkedPage::is_claimed(phys.pfn()) => Err(EBUSY),
            None => Err(ENOENT),
        }
    }

    /// All of the memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Frees the memory. C counterpart: `kho_restore_free()`.
    pub(crate) fn free(self) {
        self.free_among(&mut ManagedPages::new());
    }

    /// The same, as some of many.
    pub(super) fn free_among(self, managed: &mut ManagedPages) {
        self.0.take().free(managed);
    }
}
