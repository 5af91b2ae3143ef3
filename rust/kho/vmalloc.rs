// SPDX-License-Identifier: GPL-2.0

//! Preserving vmalloc areas.
//!
//! The pages of an area are listed in a chain of chunks, one page each. What the owner of an area
//! keeps is a descriptor of 16 bytes, [`KhoVmalloc`].
//!
//! C counterpart: `kho_preserve_vmalloc()` and its family.

use core::cell::RefCell;
use core::mem;
use core::ops::Range;

use kernel::prelude::*;
use zerocopy::FromBytes;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::kho::KhoVmalloc;
use crate::abi::kho::VmallocChunk;
use crate::abi::kho::VMALLOC_ALLOC;
use crate::abi::kho::VMALLOC_HUGE_VMAP;
use crate::abi::PAGE_SHIFT;
use crate::abi::PAGE_SIZE;
use crate::kernel::direct_map;
use crate::kernel::list::List;
use crate::kernel::mark::Marks;
use crate::kernel::vmap;
use crate::kernel::vmap::MappedPages;
use crate::kernel::vmap::NewArea;
use crate::logic::vmalloc::Area;
use crate::logic::vmalloc::ChunkMem;

use super::handed::Handed;
use super::outgoing::Batch;
use super::preserved::Preserved;
use super::restore::look_at_pages;
use super::restore::restore_pages;
use super::restore::Restorer;

/// A preservation in the making; dropping it undoes it.
struct Draft {
    /// The chunks so far, linked to each other.
    chunks: List<Preserved>,
    /// Entries in the last chunk.
    used: usize,
    /// Order of the blocks.
    order: u32,
}

impl Draft {
    fn new(order: u32) -> Result<Self> {
        let mut draft = Self {
            chunks: List::new(),
            used: 0,
            order,
        };
        draft.add_chunk()?;
        Ok(draft)
    }

    fn add_chunk(&mut self) -> Result {
        let chunk = Preserved::new(mem::size_of::<VmallocChunk>())?;
        let phys = chunk.phys();
        self.chunks.push(chunk)?;
        let before = self.chunks.len().checked_sub(2);
        if let Some(last) = before.and_then(|index| self.chunks.get_mut(index)) {
            chunk_of(last)?.next = phys.get();
        }
        self.used = 0;
        Ok(())
    }

    /// Preserves a block and lists it.
    fn add(&mut self, pfn: Pfn) -> Result {
        let phys = pfn.phys().ok_or(EINVAL)?;
        let end = pfn.checked_add(1 << self.order).ok_or(EINVAL)?;
        let last = self.chunks.last_mut().ok_or(EINVAL)?;
        let slot = chunk_of(last)?.phys.get_mut(self.used).ok_or(EINVAL)?;

        Batch::begin()?.preserve_pages(pfn, end)?;
        *slot = phys.get();
        self.used += 1;
        // Like mainline: a full chunk is followed by another one, even if that stays empty.
        if self.used == CHUNK_LEN {
            self.add_chunk()?;
        }
        Ok(())
    }

    /// Makes it permanent. Returns the address of the first chunk.
    fn commit(mut self) -> Option<PhysAddr> {
        let mut first = None;
        while let Some(chunk) = self.chunks.pop() {
            first = Some(chunk.into_phys());
        }
        first
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for chunk in self.chunks.iter() {
            unpreserve_blocks(chunk, self.order);
        }
    }
}

/// Entries of a chunk.
const CHUNK_LEN: usize = crate::abi::kho::vmalloc_chunk_len(crate::abi::PAGE_SIZE);

fn chunk_of(page: &mut Preserved) -> Result<&mut VmallocChunk> {
    VmallocChunk::mut_from_bytes(page.bytes_mut()).map_err(|_| EINVAL)
}

/// Unpreserves the blocks that a chunk of this kernel lists.
fn unpreserve_blocks(chunk: &Preserved, order: u32) {
    let Ok(chunk) = VmallocChunk::ref_from_bytes(chunk.bytes()) else {
        return;
    };
    let Ok(mut batch) = Batch::begin() else {
        return;
    };
    for phys in chunk.phys.iter().take_while(|phys| **phys != 0) {
        let start = PhysAddr::new(*phys).pfn();
        if let Some(end) = start.checked_add(1 << order) {
            batch.unpreserve_pages(start, end);
        }
    }
}

/// Preserves a vmalloc area, which its owner must not free before it is unpreserved.
///
/// May sleep. `EOPNOTSUPP` for areas that were not made by plain `vmalloc()`, `ENOMEM`, `EINVAL`
/// with KHO off.
///
/// C counterpart: `kho_preserve_vmalloc()`.
pub(crate) fn preserve(area: &vmap::Area<'_>) -> Result<KhoVmalloc> {
    preserve_start(area, usize::MAX)
}

/// The same for as many pages of the area, from its start on, as are needed for `bytes` bytes.
pub(crate) fn preserve_start(area: &vmap::Area<'_>, bytes: usize) -> Result<KhoVmalloc> {
    if area.flags() & !(vmap::VM_ALLOC | vmap::VM_ALLOW_HUGE_VMAP) != 0 {
        return Err(EOPNOTSUPP);
    }
    let mut flags = 0;
    if area.flags() & vmap::VM_ALLOC != 0 {
        flags |= VMALLOC_ALLOC;
    }
    if area.flags() & vmap::VM_ALLOW_HUGE_VMAP != 0 {
        flags |= VMALLOC_HUGE_VMAP;
    }
    let order = area.order();
    // An area consists of whole blocks, at least one.
    let blocks = (bytes.saturating_sub(1) >> (PAGE_SHIFT + order)) + 1;
    let pages = area.len().min(blocks << order);
    let total_pages = u32::try_from(pages).map_err(|_| E2BIG)?;
    Ok(KhoVmalloc {
        first: preserve_blocks(area.pages().take(pages).step_by(1 << order), order)?.get(),
        total_pages,
        flags,
        order: order as u16,
    })
}

/// Preserves and lists blocks. Returns the address of the first chunk.
fn preserve_blocks(blocks: impl Iterator<Item = Pfn>, order: u32) -> Result<PhysAddr> {
    let mut draft = Draft::new(order)?;

    for pfn in blocks {
        draft.add(pfn)?;
    }
    draft.commit().ok_or(ENOMEM)
}

/// Preserves a page of this kernel as if it were a vmalloc area, which it becomes in the next one.
/// Its owner must not free it before it is unpreserved.
///
/// May sleep. `ENOMEM`, `EINVAL` with KHO off.
pub(crate) fn preserve_page(pfn: Pfn) -> Result<KhoVmalloc> {
    Ok(KhoVmalloc {
        first: preserve_blocks([pfn].into_iter(), 0)?.get(),
        total_pages: 1,
        flags: VMALLOC_ALLOC,
        order: 0,
    })
}

/// Takes [`preserve`] back.
///
/// C counterpart: `kho_unpreserve_vmalloc()`.
pub(crate) fn unpreserve(area: &KhoVmalloc) {
    let mut next = area.first;
    while next != 0 {
        let Ok(chunk) = Preserved::from_phys(PhysAddr::new(next)) else {
            pr_err!(
                "KHO: vmalloc area at {:#x} is not preserved by this kernel\n",
                next
            );
            return;
        };
        unpreserve_blocks(&chunk, u32::from(area.order));
        next = VmallocChunk::ref_from_bytes(chunk.bytes()).map_or(0, |chunk| chunk.next);
    }
}

/// Restores a vmalloc area that the previous kernel preserved, at another address.
///
/// May sleep. `EINVAL` if the descriptor or a chunk does not make sense, `ENOENT` if it names memory that is
/// not preserved; `ENOMEM`, when nothing has changed. What was restored before another error is freed.
///
/// C counterpart: `kho_restore_vmalloc()`.
pub(crate) fn restore(area: &KhoVmalloc) -> Result<MappedPages> {
    map(area, &mut Restorer::new())
}

/// Memory of an area that is only to be read, at whatever address.
pub(crate) enum Readable {
    /// A single page, where it is.
    Page(Handed),
    /// An area of several pages.
    Mapped(MappedPages),
}

impl Readable {
    /// Frees it. Otherwise a single page would wait for another owner.
    pub(crate) fn free(self, restorer: &mut Restorer) {
        if let Self::Page(page) = self {
            restorer.free(page);
        }
    }
}

impl core::ops::Deref for Readable {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Page(page) => page.bytes(),
            Self::Mapped(pages) => pages,
        }
    }
}

/// The same as [`restore`] for who only reads: one page needs no address of its own.
pub(crate) fn read(area: &KhoVmalloc, restorer: &mut Restorer) -> Result<Readable> {
    if area.total_pages != 1 {
        return map(area, restorer).map(Readable::Mapped);
    }
    let chunks = Chunks::new(restorer);
    let block = check(area, &chunks)?.only_block().ok_or(EINVAL)?;
    let page = restorer.claim_page(block)?;

    free_chunks(area.first, restorer);
    Ok(Readable::Page(page))
}

/// Has `look` see the blocks of an area, one after the other: for who has no memory to see them together. Parts
/// are whole pages, in order. Nothing changes.
///
/// The same errors as of [`read`], but for `ENOMEM`.
pub(crate) fn see_apart(
    area: &KhoVmalloc,
    restorer: &mut Restorer,
    mut look: impl FnMut(&[u8]),
) -> Result {
    for_each_part(area, restorer, |part, _| look(part.bytes()))
}

/// The same, and frees all of it. After an error, what was not seen stays as it is.
pub(crate) fn take_apart(
    area: &KhoVmalloc,
    restorer: &mut Restorer,
    mut look: impl FnMut(&[u8], &mut Restorer),
) -> Result {
    for_each_part(area, restorer, |part, restorer| {
        look(part.bytes(), restorer);
        restorer.free(part);
    })?;
    free_chunks(area.first, restorer);
    Ok(())
}

/// Claims the blocks of an area for `take`, one after the other.
fn for_each_part(
    area: &KhoVmalloc,
    restorer: &mut Restorer,
    mut take: impl FnMut(Handed, &mut Restorer),
) -> Result {
    // Chunks are read while blocks are freed.
    let mut reader = Restorer::new();
    let chunks = Chunks::new(&mut reader);
    let checked = check(area, &chunks)?;

    for block in frames_of_blocks(&checked) {
        let mut next = block.start;

        while next < block.end {
            let part = restorer.claim(next.phys().ok_or(EINVAL)?)?;
            let pages = part.bytes().len().div_ceil(PAGE_SIZE) as u64;

            take(part, restorer);
            next = next.checked_add(pages).ok_or(EINVAL)?;
        }
    }
    Ok(())
}

/// Restores an area at an address of its own.
fn map(area: &KhoVmalloc, restorer: &mut Restorer) -> Result<MappedPages> {
    let chunks = Chunks::new(restorer);
    let checked = check(area, &chunks)?;
    let pages = take(&checked)?;

    free_chunks(area.first, restorer);
    pages.finish()
}

/// Chunks of the previous kernel, wherever its description of an area says they are.
struct Chunks<'a>(RefCell<&'a mut Marks>);

impl<'a> Chunks<'a> {
    fn new(restorer: &'a mut Restorer) -> Self {
        Self(RefCell::new(restorer.marks()))
    }
}

impl ChunkMem for Chunks<'_> {
    fn word(&self, chunk: PhysAddr, word: usize) -> Option<u64> {
        self.0.borrow_mut().find(chunk.pfn())?.word(word)
    }
}

/// Validates the description of an area; says in the log what is wrong.
fn check<'a>(area: &KhoVmalloc, chunks: &'a Chunks<'a>) -> Result<Area<'a, Chunks<'a>>> {
    Area::check(chunks, area, direct_map::end()).map_err(|error| {
        pr_err!("KHO: preserved vmalloc area: {}\n", error);
        EINVAL
    })
}

/// Restores the pages of an area. `ENOMEM` comes before the first is taken; what was restored before another
/// error is freed.
fn take<M: ChunkMem>(area: &Area<'_, M>) -> Result<NewArea> {
    let mut marks = Marks::new();

    // Before memory is asked for in proportion: whoever says that there are many pages must have them.
    for block in frames_of_blocks(area) {
        look_at_pages(&mut marks, block.start, block.end)?;
    }
    let frames = frames_of_blocks(area).flat_map(|block| {
        let frames = block.start.get()..block.end.get();
        frames.map(Pfn::new)
    });
    let flags = vm_flags(area.flags());
    let mut pages = NewArea::new(area.pages() as usize, frames, area.order(), flags)?;

    for block in frames_of_blocks(area) {
        restore_pages(&mut marks, block.start, block.end, |live| pages.take(live))?;
    }
    Ok(pages)
}

/// The frames of each block of an area.
fn frames_of_blocks<'a, M: ChunkMem>(area: &Area<'a, M>) -> impl Iterator<Item = Range<Pfn>> + 'a {
    let order = area.order();

    area.blocks().map(move |block| {
        let start = block.pfn();
        // Blocks end where memory does, at most.
        start..start.checked_add(1 << order).unwrap_or(start)
    })
}

/// `VM_*` for `VMALLOC_*`.
fn vm_flags(flags: u16) -> usize {
    let mut vm_flags = 0;

    if flags & VMALLOC_ALLOC != 0 {
        vm_flags |= vmap::VM_ALLOC;
    }
    if flags & VMALLOC_HUGE_VMAP != 0 {
        vm_flags |= vmap::VM_ALLOW_HUGE_VMAP;
    }
    vm_flags
}

/// Frees the chunks of an area whose blocks have found another owner.
fn free_chunks(first: u64, restorer: &mut Restorer) {
    let mut next = first;
    while next != 0 {
        // Each claim succeeds once: even a chain that changed after the check has an end.
        let Ok(chunk) = restorer.claim(PhysAddr::new(next)) else {
            return;
        };
        next = VmallocChunk::ref_from_prefix(chunk.bytes()).map_or(0, |(chunk, _)| chunk.next);
        restorer.free(chunk);
    }
}
