// SPDX-License-Identifier: GPL-2.0

//! Memory of this kernel that is made to be preserved.

use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::kernel::page;
use crate::kernel::page::OwnedFolio;

use super::outgoing;

/// Physically contiguous memory, zeroed at first, that the next kernel will find where it is.
///
/// Dropping it unpreserves and frees it. Its length is a power of two of pages.
///
/// C counterpart: `kho_alloc_preserve()` and `kho_unpreserve_free()`.
pub(crate) struct Preserved {
    // Fields are dropped in this order: the pages are unpreserved before they are free.
    preservation: Preservation,
    folio: OwnedFolio,
}

/// That a block is preserved, until this is dropped.
struct Preservation {
    pfn: Pfn,
    order: u32,
    armed: bool,
}

impl Drop for Preservation {
    fn drop(&mut self) {
        if self.armed {
            outgoing::unpreserve_block(self.pfn, self.order);
        }
    }
}

impl Preserved {
    /// Allocates at least `size` bytes.
    ///
    /// May sleep. `EINVAL` for no bytes or with KHO off, `E2BIG` for more than the page allocator
    /// gives at once, `ENOMEM`.
    pub(crate) fn new(size: usize) -> Result<Self> {
        if size == 0 {
            return Err(EINVAL);
        }
        let pages = size.div_ceil(PAGE_SIZE);
        let order = pages.checked_next_power_of_two().ok_or(E2BIG)?.ilog2();
        if order > page::max_order() {
            return Err(E2BIG);
        }
        let folio = OwnedFolio::new_zeroed(order)?;
        outgoing::preserve_folio(&folio)?;
        Ok(Self::of(folio))
    }

    /// Takes a folio that is preserved.
    fn of(folio: OwnedFolio) -> Self {
        Self {
            preservation: Preservation {
                pfn: folio.pfn(),
                order: folio.order(),
                armed: true,
            },
            folio,
        }
    }

    /// Physical address of the first byte.
    pub(crate) fn phys(&self) -> PhysAddr {
        self.folio.phys()
    }

    /// All of the memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.folio.bytes()
    }

    /// All of the memory, to be written to.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.folio.bytes_mut()
    }

    /// Gives the memory up to the next kernel, or to a later [`Preserved::from_phys`].
    pub(crate) fn into_phys(self) -> PhysAddr {
        self.into_folio().leak()
    }

    /// Takes memory back that [`Preserved::into_phys`] gave up. `ENOENT` if it was not, or if
    /// somebody else took it back already.
    pub(crate) fn from_phys(phys: PhysAddr) -> Result<Self> {
        OwnedFolio::reclaim(phys).map(Self::of).ok_or(ENOENT)
    }

    /// Takes the folio out; it stays preserved.
    pub(super) fn into_folio(mut self) -> OwnedFolio {
        self.preservation.armed = false;
        self.folio
    }
}
