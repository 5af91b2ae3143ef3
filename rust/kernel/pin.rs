// SPDX-License-Identifier: GPL-2.0

//! Pinning the folios of a file that are there already, many at a time.
//!
//! A pin is what `memfd_pin_folios()` takes: it keeps a folio in memory and where it is, and stands
//! for many references of a small folio, by which reclaim and migration tell it from an ordinary
//! one. What is done here is what that function does for folios that may stay where they are, in a
//! single pass, and with the statistics counted once a batch.
//!
//! C counterpart: `try_grab_folio()` and `unpin_folio()`.

use core::ptr;
use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::Full;

use super::bindings;
use super::page;
use super::page::Folio;

/// References that a pin of a small folio counts for.
const BIAS: i32 = bindings::LU_GUP_PIN_COUNTING_BIAS as i32;

/// Folios that are pinned at a time.
pub(super) const BATCH: usize = 64;

/// Blocks of pages that [`Found`] remembers: folios of a file may be all over memory.
const KNOWN_BLOCKS: usize = 64;

/// Pinned folios of a file that follow each other.
///
/// # Invariants
///
/// One pin of each folio from `next` to before `end` belongs to this object, and `end` is at most
/// [`BATCH`].
pub(super) struct Found {
    folios: [*mut bindings::folio; BATCH],
    next: usize,
    end: usize,
    /// Blocks of pages of which it is known that folios in them may stay where they are, each where
    /// its number says.
    pinnable: [u64; KNOWN_BLOCKS],
    block_order: u32,
}

impl Found {
    /// No folios.
    pub(super) fn new() -> Self {
        Self {
            folios: [ptr::null_mut(); BATCH],
            next: 0,
            end: 0,
            pinnable: [u64::MAX; KNOWN_BLOCKS],
            // SAFETY: No preconditions.
            block_order: unsafe { bindings::lu_pageblock_order() },
        }
    }

    /// Drops what is left, and pins folios of `mapping` from page `index` up to and including `last`,
    /// until the first that is missing or there are enough. Tells how many there are.
    pub(super) fn refill(
        &mut self,
        mapping: NonNull<bindings::address_space>,
        index: u64,
        last: u64,
    ) -> usize {
        self.release();
        // SAFETY: The mapping exists, and there is room for so many folios.
        let found = unsafe {
            bindings::lu_pin_present(
                mapping.as_ptr(),
                index as usize,
                last as usize,
                self.folios.as_mut_ptr(),
                BATCH as u32,
            )
        };
        // INVARIANT: The callee has pinned each folio that it put there, once.
        self.end = (found as usize).min(BATCH);
        self.end
    }

    /// The next folio, with its pin, which is the caller's from now on.
    ///
    /// [`None`] if there is no folio left, or it may not stay where it is: then it is still here.
    ///
    /// # Safety
    ///
    /// The result is not used after its pin was given back.
    #[inline]
    pub(super) unsafe fn next<'a>(&mut self) -> Option<&'a Folio> {
        if self.next >= self.end {
            return None;
        }
        let folio = *self.folios.get(self.next)?;
        // SAFETY: By the type invariant the folio is pinned, and the caller promises that it stays so.
        let folio: &'a Folio = unsafe { Folio::from_ptr(folio) };

        if !self.may_stay(folio) {
            return None;
        }
        // INVARIANT: This object has lost the pin.
        self.next += 1;
        Some(folio)
    }

    /// Whether `folio` may stay where it is. Asked after the pin, so that nobody starts to move it now.
    #[inline]
    fn may_stay(&mut self, folio: &Folio) -> bool {
        let block = folio.pfn().get() >> self.block_order;
        let known = &mut self.pinnable[block as usize % KNOWN_BLOCKS];

        if block != *known {
            // SAFETY: The folio exists.
            if !unsafe { bindings::lu_folio_is_pinnable(folio.as_ptr()) } {
                return false;
            }
            *known = block;
        }
        true
    }

    fn release(&mut self) {
        let mut unpinner = Unpinner::new();

        for folio in self.folios.iter().take(self.end).skip(self.next) {
            if let Some(folio) = NonNull::new(*folio) {
                // SAFETY: By the type invariant there is a pin to give back.
                unsafe { unpinner.unpin(folio) };
            }
        }
        self.next = 0;
        self.end = 0;
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        self.release();
    }
}

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

/// Gives pins back, and counts those of small folios many at a time.
pub(super) struct Unpinner {
    node: usize,
    count: isize,
}

impl Unpinner {
    pub(super) fn new() -> Self {
        Self { node: 0, count: 0 }
    }

    /// Gives one pin of `folio` back, which may be gone then. Returns how many pages it has.
    ///
    /// # Safety
    ///
    /// The pin is the caller's.
    #[inline]
    pub(super) unsafe fn unpin(&mut self, folio: NonNull<bindings::folio>) -> u64 {
        // SAFETY: By the caller's promise there is a folio for now.
        let folio = unsafe { Folio::from_ptr(folio.as_ptr()) };
        let (raw, flags) = (folio.as_ptr(), folio.flags());

        let order = folio.order_by(flags);
        if order != 0 {
            // SAFETY: The caller promises the same.
            unsafe { bindings::unpin_folio(raw) };
            return 1 << order;
        }
        let node = page::node_by(flags);
        if node != self.node {
            self.flush();
            self.node = node;
        }
        // There are fewer folios than that would wrap.
        self.count = self.count.wrapping_add(1);
        if references(folio).fetch_sub(BIAS, Full) == BIAS {
            // SAFETY: That was the last reference.
            unsafe { bindings::__folio_put(raw) };
        }
        1
    }

    fn flush(&mut self) {
        if self.count != 0 {
            // SAFETY: The node is that of a page.
            unsafe {
                bindings::lu_count_pins(
                    self.node as c_int,
                    bindings::node_stat_item_NR_FOLL_PIN_RELEASED,
                    self.count,
                )
            };
            self.count = 0;
        }
    }
}

impl Drop for Unpinner {
    fn drop(&mut self) {
        self.flush();
    }
}
