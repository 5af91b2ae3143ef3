// SPDX-License-Identifier: GPL-2.0

//! Taking the previous kernel's tree of preserved memory in.
//!
//! The tree is read twice. [`survey`] checks all of it and turns it into a bitmap, which is sorted
//! by address, where the tree is sorted by order first. [`reserve`] reserves the ranges of the
//! bitmap, each as one region however many folios it is made of, and reads the tree again to mark
//! the first page of each block. Where there are too many ranges for memblock, it reserves the gaps
//! between them, too, and [`release_holes`] gives these back once the system is up.
//!
//! Whatever is wrong is said, up to a limit, and makes the incoming side unavailable; memory that the
//! rest of the tree names is reserved nonetheless.

#![expect(
    unsafe_code,
    reason = "link_section counts as such; nothing here is unsafe"
)]

use kernel::fmt;
use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::kho::Geometry;
use crate::abi::PAGE_SHIFT;
use crate::abi::PAGE_SIZE;
use crate::kernel::early;
use crate::kernel::early::EarlyWords;
use crate::kernel::early::RamMap;
use crate::kernel::early::ReservedForever;
use crate::kernel::holes::Holes;
use crate::kernel::holes::Reserved;
use crate::kernel::ram_pages::RamPages;
use crate::kernel::sync::StaticMutex;
use crate::kernel::thread;
use crate::kernel::tree_page;
use crate::logic::busy;
use crate::logic::busy::BusyBlocks;
use crate::logic::key;
use crate::logic::pageset;
use crate::logic::pageset::Inserted;
use crate::logic::runs::Run;
use crate::logic::walk::Limits;
use crate::logic::walk::Step;
use crate::logic::walk::Why;

use super::early::Found;
use super::incoming;
use super::scratch;

/// What [`survey`] found out, for [`reserve`].
struct Survey {
    /// All preserved pages.
    pages: RamPages,
    /// Whether the tree is what it should be, from end to end.
    sound: bool,
}

static SURVEY: StaticMutex<Option<Survey>> = StaticMutex::new(c"kho_survey", None);

/// What [`reserve`] took too much.
static HOLES: StaticMutex<Option<Holes>> = StaticMutex::new(c"kho_holes", None);

/// Reads the whole tree, and lets memblock use 1 GiB blocks without preserved memory.
#[link_section = ".init.text"]
pub(super) fn survey(found: &Found) {
    let end = early::end_of_ram();
    let (Some(ram), Some(mut pages), Some(mut blocks)) = (
        RamMap::new(),
        RamPages::new(end.pfn()),
        EarlyWords::new(busy::words_for(end)),
    ) else {
        // The memory could be used by anyone from here on: do not pretend.
        pr_err!("KHO: no memory to read the map of preserved memory: nothing can be restored\n");
        incoming::give_up();
        return;
    };
    let sound = read_tree(found, &ram, &mut pages);

    if sound {
        if let Some(mut busy) = BusyBlocks::new(&mut blocks, end) {
            mark_busy(found, &ram, pages.words(), &mut busy);
            extend_scratch(&busy);
        }
    }
    blocks.free();
    ram.free();
    *SURVEY.lock() = Some(Survey { pages, sound });
    // What the command line asks for may have come along, and is looked up before `reserve`.
    if sound {
        accept(found);
    }
}

/// Whether the pages from `first` to `last` are all preserved, as long as only the survey knows.
pub(super) fn surveyed(first: Pfn, last: Pfn) -> Option<bool> {
    let survey = SURVEY.lock();
    let words = survey.as_ref()?.pages.words();

    Some((first.get()..=last.get()).all(|page| is_in(words, Pfn::new(page))))
}

/// Whether `page` is in `words`.
fn is_in(words: &[u64], page: Pfn) -> bool {
    pageset::intersects(words, page, Pfn::new(page.get().saturating_add(1)))
}

/// Things wrong with a tree that are logged: it may have millions, and the console is slow.
const MAX_COMPLAINTS: u64 = 20;

/// What is wrong with a tree.
#[derive(Default)]
struct Complaints(u64);

impl Complaints {
    /// Says what is wrong, unless much has been said already.
    #[cold]
    fn add(&mut self, what: fmt::Arguments<'_>) {
        self.0 += 1;
        if self.0 <= MAX_COMPLAINTS {
            pr_err!("KHO: {what}\n");
        }
    }

    /// True if there are none. Says how many have not been logged.
    fn is_sound(&self) -> bool {
        if let Some(more @ 1..) = self.0.checked_sub(MAX_COMPLAINTS) {
            pr_err!("KHO: {more} more errors in the map of preserved memory\n");
        }
        self.0 == 0
    }
}

/// Puts all preserved pages into `pages`. False if something is wrong with the tree.
fn read_tree(found: &Found, ram: &RamMap, pages: &mut RamPages) -> bool {
    let mut complaints = Complaints::default();

    read_words(found, ram, pages, &mut complaints);
    // The device tree is read for as long as this kernel runs.
    let (first, end) = fdt_pages(found);
    if !pageset::contains(pages.words(), first, end) {
        complaints.add(format_args!(
            "device tree at {} is not in preserved memory",
            found.fdt
        ));
    }
    complaints.is_sound()
}

/// The pages of the device tree: the first, and the one behind the last.
fn fdt_pages(found: &Found) -> (Pfn, Pfn) {
    let first = found.fdt.pfn();
    let end = found.fdt.get().saturating_add(found.fdt_len as u64);

    (first, Pfn::new(end.div_ceil(1 << PAGE_SHIFT)))
}

/// Puts the pages of all words of the tree that make sense into `pages`.
fn read_words(found: &Found, ram: &RamMap, pages: &mut RamPages, complaints: &mut Complaints) {
    let tree = tree_page::foreign_tree(found.map, ram, limits(pages.words()));
    let mut scratch_free = (Pfn::new(0), Pfn::new(0));
    let mut walk = tree.walk().past_errors();

    while let Some(step) = walk.next() {
        match step {
            Ok(Step::Word { base, bits }) => match key::word_of_pages::<PAGE_SHIFT>(base) {
                // As in a bitmap of pages.
                Some(first) => admit_word(first, bits, pages, &mut scratch_free, complaints),
                None => {
                    for run in key::runs_of_word::<PAGE_SHIFT>(base, bits) {
                        admit(&run, pages, complaints);
                    }
                }
            },
            // This kernel has overwritten it.
            Ok(Step::Node { address, .. }) if scratch::overlaps(address, PAGE_SIZE as u64) => {
                complaints.add(format_args!(
                    "map of preserved memory: node {address} is in scratch memory"
                ));
                walk.skip_node();
            }
            Ok(Step::Node { .. }) => {}
            Err(corrupt) => {
                complaints.add(format_args!("map of preserved memory: {corrupt}"));
                if corrupt.why == Why::TooManyNodes {
                    return;
                }
            }
        }
    }
}

/// What a tree may say on a machine with as much memory as `pages` has bits.
fn limits(pages: &[u64]) -> Limits {
    Limits::new(
        Pfn::new(pages.len() as u64 * u64::from(u64::BITS)),
        Geometry::<PAGE_SHIFT>::MAX_ORDER,
    )
}

/// Puts the pages whose bits are set, of the 64 from `base` on, into `pages`, if they are memory
/// that the previous kernel could preserve. No page of `scratch_free` is in scratch.
#[inline]
fn admit_word(
    base: Pfn,
    bits: u64,
    pages: &mut RamPages,
    scratch_free: &mut (Pfn, Pfn),
    complaints: &mut Complaints,
) {
    let Some(end) = base.checked_add(u64::from(u64::BITS)) else {
        return;
    };

    if base < scratch_free.0 || end > scratch_free.1 {
        *scratch_free = scratch::free_around(base);
    }
    if end <= scratch_free.1 && pages.insert_new_word(base, bits) {
        return;
    }
    // At the edge of something, or wrong: page by page.
    for bit in (0..u64::BITS).filter(|bit| bits >> bit & 1 != 0) {
        let page = Pfn::new(base.get() | u64::from(bit));

        admit(&Run::single(page, 0), pages, complaints);
    }
}

/// Puts a run into `pages`, if it is memory that the previous kernel could preserve.
fn admit(run: &Run, pages: &mut RamPages, complaints: &mut Complaints) {
    let (start, Some(end)) = (run.start, run.end()) else {
        complaints.add(format_args!("preserved memory at {} has no end", run.start));
        return;
    };
    let wrong = if scratch::overlaps_pages(start, end) {
        "in scratch memory"
    } else {
        match pages.insert(start, end) {
            Some(Inserted::Fresh) => return,
            Some(Inserted::Overlap) => "preserved twice",
            Some(Inserted::OutOfRange) => "above all RAM",
            None => "not in RAM",
        }
    };
    complaints.add(format_args!("preserved pages {start}-{end} are {wrong}"));
}

/// Marks the blocks that have preserved memory or nodes of the tree, which are not preserved but
/// are read again.
fn mark_busy(found: &Found, ram: &RamMap, pages: &[u64], blocks: &mut BusyBlocks<'_>) {
    // However many ranges of pages there are, a block is looked at until the first.
    for (block, words) in (0..).zip(pages.chunks(busy::BLOCK_WORDS)) {
        if words.iter().any(|word| *word != 0) {
            blocks.mark_block(block);
        }
    }
    let tree = tree_page::foreign_tree(found.map, ram, limits(pages));
    for node in tree.nodes().flatten() {
        if let Some(end) = node.checked_add(1 << PAGE_SHIFT) {
            blocks.mark(node, end);
        }
    }
}

/// Makes all free blocks scratch, so that early boot does not run out of memory.
#[link_section = ".init.text"]
fn extend_scratch(blocks: &BusyBlocks<'_>) {
    for (start, end) in blocks.gaps() {
        if let Some(size) = end.checked_sub(start) {
            if early::mark_scratch(start, size).is_err() {
                pr_err!("KHO: failed to extend scratch by {}-{}\n", start, end);
                return;
            }
        }
    }
}

/// Reserves all preserved memory, and marks its blocks to be restored.
#[link_section = ".init.text"]
pub(super) fn reserve(found: &Found) {
    let Some(Survey { pages, sound }) = SURVEY.lock().take() else {
        return;
    };
    let reserved = Reserved::new(pages, scratch::page_ranges());

    if let (true, Some(reserved)) = (sound, &reserved) {
        mark_all(found, reserved.pages());
        // Its first page is. There may be more.
        if early::reserve(found.fdt, found.fdt_len as u64).is_err() {
            pr_err!("KHO: device tree at {} cannot be reserved\n", found.fdt);
            incoming::give_up();
        }
    } else {
        pr_err!(
            "KHO: the previous kernel's handover is damaged: what it preserved stays reserved, nothing can be restored\n"
        );
        incoming::give_up();
    }
    *HOLES.lock() = reserved.and_then(Reserved::into_holes);
}

/// Leaves its mark on the first page of each preserved block, but for the device tree: nobody gets
/// that, since it is read for as long as this kernel runs.
fn mark_all(found: &Found, pages: &RamPages) {
    let tree = tree_page::foreign_tree(found.map, pages.ram(), limits(pages.words()));
    let (fdt_start, fdt_end) = fdt_pages(found);

    for step in tree.walk() {
        let (base, bits) = match step {
            Ok(Step::Word { base, bits }) => (base, bits),
            Ok(Step::Node { .. }) => continue,
            // The survey has found none.
            Err(_) => return,
        };
        match key::word_of_pages::<PAGE_SHIFT>(base) {
            Some(first) => {
                let fdt = pageset::mask_of(first, fdt_start, fdt_end);
                pages.mark_word(first, bits & !fdt);
            }
            None => {
                for block in key::blocks_of_word::<PAGE_SHIFT>(base, bits) {
                    let end = Run::single(block.pfn(), block.order()).end();
                    let is_before = end.is_some_and(|end| end <= fdt_start);

                    if is_before || block.pfn() >= fdt_end {
                        pages.mark_block(block.pfn(), block.order());
                    }
                }
            }
        }
    }
}

/// Pages that [`release_holes`] gives back before others may run.
const RELEASE_AT_A_TIME: u64 = 64;

/// Whether [`release_holes`] has something to do.
pub(super) fn has_holes() -> bool {
    HOLES.lock().is_some()
}

/// Gives the page allocator what was reserved only because it lies between preserved pages.
/// Returns how many pages. May be called by several at once; may sleep.
pub(crate) fn release_holes() -> u64 {
    let mut before = None;

    loop {
        let mut guard = HOLES.lock();
        let Some(holes) = guard.as_mut() else {
            return 0;
        };
        let first = *before.get_or_insert(holes.freed());

        if !holes.release(RELEASE_AT_A_TIME) {
            let freed = holes.freed();

            if let Some(holes) = guard.take() {
                holes.free();
            }
            pr_info!("KHO: released {freed} free pages between preserved ones\n");
            return freed - first;
        }
        drop(guard);
        thread::give_way();
    }
}

/// Lets everyone read the device tree, which is preserved, and about to be reserved.
#[link_section = ".init.text"]
fn accept(found: &Found) {
    match ReservedForever::in_advance(found.fdt, found.fdt_len) {
        Ok(root) => incoming::accept(root),
        Err(_) => {
            pr_err!("KHO: device tree at {} is not in RAM\n", found.fdt);
            incoming::give_up();
        }
    }
}
