// SPDX-License-Identifier: GPL-2.0

//! Pinning the folios of a file that are there already, many at a time.
//!
//! A pin is what `memfd_pin_folios()` takes: it keeps a folio in memory and where it is, and stands
//! for many references of a small folio, by which reclaim and migration tell it from an ordinary
//! one. What is done here is what that function does for folios that may stay where they are, in a
//! single pass, and with the statistics counted once a batch.
//!
//! C counterpart: `try_grab_folio()` and `unpin_folio()`.

use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::Full;
use kernel::sync::atomic::Relaxed;

use super::bindings;
use super::page::Folio;

/// References that a pin of a small folio counts for.
const BIAS: i32 = bindings::LU_GUP_PIN_COUNTING_BIAS as i32;

/// `folio->_refcount`.
#[inline]
fn references(folio: &Folio) -> &Atomic<i32> {
    let folio = folio.as_ptr();
    // SAFETY: The folio exists for as long as the reference to it. Others change the counter by
    // atomic operations.
    unsafe {
        Atomic::from_ptr(
            (&raw mut (*folio).__bindgen_anon_1.__bindgen_anon_1._refcount.counter).cast(),
        )
    }
}

/// Changes to one of the statistics of pins of a NUMA node.
struct Statistics {
    item: bindings::node_stat_item,
    node: usize,
    count: isize,
}

impl Statistics {
    fn new(item: bindings::node_stat_item) -> Self {
        Self {
            item,
            node: 0,
            count: 0,
        }
    }

    #[inline]
    fn add_one(&mut self, folio: &Folio) {
        let node = folio.node();

        if node != self.node {
            self.flush();
            self.node = node;
        }
        self.count += 1;
    }

    fn flush(&mut self) {
        if self.count != 0 {
            // SAFETY: The node is that of a page.
            unsafe { bindings::lu_count_pins(self.node as c_int, self.item, self.count) };
            self.count = 0;
        }
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Folios of a file that follow each other, one reference to each.
///
/// # Invariants
///
/// One reference to each folio from `next` on belongs to this object.
pub(super) struct Found {
    batch: bindings::folio_batch,
    next: usize,
}

impl Found {
    /// An empty batch.
    pub(super) fn new() -> Self {
        Self {
            batch: bindings::folio_batch::default(),
            next: 0,
        }
    }

    /// Drops what is left, and looks for the folios of `mapping` from page `index` up to and
    /// including `last`, until the first that is missing or the batch is full. False if the first
    /// one is missing.
    pub(super) fn refill(
        &mut self,
        mapping: NonNull<bindings::address_space>,
        index: u64,
        last: u64,
    ) -> bool {
        self.release();
        let mut index = index as usize;
        // SAFETY: The mapping exists, and the batch is empty.
        // INVARIANT: The callee takes a reference to each folio that it puts there.
        unsafe {
            bindings::filemap_get_folios_contig(
                mapping.as_ptr(),
                &mut index,
                last as usize,
                &mut self.batch,
            ) != 0
        }
    }

    #[inline]
    fn peek(&self) -> Option<&Folio> {
        if self.next >= usize::from(self.batch.nr) {
            return None;
        }
        // SAFETY: By the type invariant there is a reference to the folio.
        self.batch
            .folios
            .get(self.next)
            .map(|folio| unsafe { Folio::from_ptr(*folio) })
    }

    fn release(&mut self) {
        while let Some(folio) = self.peek() {
            // SAFETY: By the type invariant there is a reference to put.
            unsafe { bindings::lu_folio_put(folio.as_ptr()) };
            self.next += 1;
        }
        self.batch.nr = 0;
        self.next = 0;
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        self.release();
    }
}

/// Blocks of pages that [`Pinner`] remembers: folios of a file may be all over memory.
const KNOWN_BLOCKS: usize = 64;

/// Turns references into pins.
pub(super) struct Pinner {
    statistics: Statistics,
    /// Blocks of pages of which it is known that they may be pinned, each where its number says.
    pinnable: [u64; KNOWN_BLOCKS],
    block_order: u32,
}

impl Pinner {
    pub(super) fn new() -> Self {
        Self {
            statistics: Statistics::new(bindings::node_stat_item_NR_FOLL_PIN_ACQUIRED),
            pinnable: [u64::MAX; KNOWN_BLOCKS],
            // SAFETY: No preconditions.
            block_order: unsafe { bindings::lu_pageblock_order() },
        }
    }

    /// Pins the next folio of `found`, whose reference becomes the pin.
    ///
    /// [`None`] if there is no folio left, or it cannot be pinned where it is: then it is still in
    /// `found`.
    #[inline]
    pub(super) fn pin_next<'a>(&mut self, found: &'a mut Found) -> Option<&'a Folio> {
        let at = found.next;
        let folio = found.peek()?;

        if !self.pin(folio) {
            return None;
        }
        // INVARIANT: The reference is part of the pin from now on.
        found.next = at + 1;
        // SAFETY: The caller gets the pin, by which the folio exists at least until `found` is used
        // again.
        found
            .batch
            .folios
            .get(at)
            .map(|folio| unsafe { Folio::from_ptr(*folio) })
    }

    #[inline]
    fn pin(&mut self, folio: &Folio) -> bool {
        let block = folio.pfn().get() >> self.block_order;

        if folio.order() != 0 {
            return Self::pin_large(folio);
        }
        let references = references(folio);
        // As an ordinary pin does, where so many would wrap the counter.
        if references.load(Relaxed) > i32::MAX - 2 * BIAS {
            return false;
        }
        references.fetch_add(BIAS - 1, Full);
        let known = &mut self.pinnable[block as usize % KNOWN_BLOCKS];
        if block != *known {
            // After the pin, so that nobody starts to move it now.
            // SAFETY: The folio exists.
            if !unsafe { bindings::lu_folio_is_pinnable(folio.as_ptr()) } {
                references.fetch_sub(BIAS - 1, Full);
                return false;
            }
            *known = block;
        }
        self.statistics.add_one(folio);
        true
    }

    /// Large folios count their pins apart, which is the business of C.
    fn pin_large(folio: &Folio) -> bool {
        // SAFETY: The caller has a reference, which the callee turns into a pin if it succeeds.
        unsafe { bindings::lu_folio_pin_large(folio.as_ptr()) }
    }
}

/// Gives pins back.
pub(super) struct Unpinner(Statistics);

impl Unpinner {
    pub(super) fn new() -> Self {
        Self(Statistics::new(
            bindings::node_stat_item_NR_FOLL_PIN_RELEASED,
        ))
    }

    /// Gives one pin of `folio` back, which may be gone then.
    ///
    /// # Safety
    ///
    /// The pin is the caller's.
    #[inline]
    pub(super) unsafe fn unpin(&mut self, folio: NonNull<bindings::folio>) {
        // SAFETY: By the caller's promise there is a folio for now.
        let folio = unsafe { Folio::from_ptr(folio.as_ptr()) };

        if folio.order() != 0 {
            // SAFETY: The caller promises the same.
            unsafe { bindings::unpin_folio(folio.as_ptr()) };
            return;
        }
        self.0.add_one(folio);
        let raw = folio.as_ptr();
        if references(folio).fetch_sub(BIAS, Full) == BIAS {
            // SAFETY: That was the last reference.
            unsafe { bindings::__folio_put(raw) };
        }
    }
}
