// SPDX-License-Identifier: GPL-2.0

//! Early boot: memblock, temporary mappings, and the map of RAM made from them.
//!
//! Everything here that touches memblock is `#[inline(always)]`, because it may only be called
//! from, and so has to end up in, functions of `.init.text`. Closures and generic code do not end
//! up there: they get plain data, like [`RamMap`].

use core::slice;

use kernel::error::to_result;
use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::PAGE_SHIFT;
use crate::abi::PAGE_SIZE;
use crate::logic::walk::NodeCheck;

use super::bindings;
use super::direct_map;
use super::tree_page::RamCheck;

/// Shows `len` bytes at `phys` to `f`, before there is a direct map.
///
/// [`None`] where they cannot be mapped. C counterpart: `early_memremap()`.
#[inline(always)]
pub(crate) fn with_mapped<R>(phys: PhysAddr, len: usize, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
    // SAFETY: Any address can be asked for; NULL means no.
    let map = unsafe { bindings::early_memremap(phys.get(), len) };
    if map.is_null() {
        return None;
    }
    // SAFETY: `len` bytes are mapped until the call below. Nothing else runs so early.
    let result = f(unsafe { slice::from_raw_parts(map.cast(), len) });
    // SAFETY: The mapping was made above and the slice is gone.
    unsafe { bindings::early_memunmap(map, len) };
    Some(result)
}

/// Whether the firmware says that there is RAM in all of `size` bytes from `start`. True as long as it
/// has not said anything.
#[inline(always)]
pub(crate) fn is_ram(start: PhysAddr, size: u64) -> bool {
    // SAFETY: The map from the firmware is there when KHO is told of its data.
    unsafe { bindings::lu_early_is_ram(start.get(), size) }
}

/// Tells memblock of a scratch region, to be used for allocations in early boot.
#[inline(always)]
pub(crate) fn add_scratch(start: PhysAddr, size: u64) -> Result {
    // SAFETY: Early boot is single-threaded.
    to_result(unsafe { bindings::memblock_add(start.get(), size) })?;
    mark_scratch(start, size)
}

/// Lets memblock use memory that it already knows for allocations in early boot.
#[inline(always)]
pub(crate) fn mark_scratch(start: PhysAddr, size: u64) -> Result {
    // SAFETY: Early boot is single-threaded.
    to_result(unsafe { bindings::memblock_mark_kho_scratch(start.get(), size) })
}

/// From here on memblock allocates from scratch regions only.
#[inline(always)]
pub(crate) fn allocate_from_scratch_only() {
    // SAFETY: Early boot is single-threaded.
    unsafe { bindings::memblock_set_kho_scratch_only() };
}

/// Reserves memory in memblock.
#[inline(always)]
pub(crate) fn reserve(start: PhysAddr, size: u64) -> Result {
    // SAFETY: Early boot is single-threaded.
    to_result(unsafe { bindings::__memblock_reserve(start.get(), size, bindings::NUMA_NO_NODE, 0) })
}

/// Reserves memory in memblock whose struct pages nobody else initialises from now on.
#[inline(always)]
pub(crate) fn reserve_noinit(start: PhysAddr, size: u64) -> Result {
    // SAFETY: Early boot is single-threaded.
    to_result(unsafe {
        bindings::__memblock_reserve(
            start.get(),
            size,
            bindings::NUMA_NO_NODE,
            bindings::memblock_flags_MEMBLOCK_RSRV_NOINIT as bindings::memblock_flags,
        )
    })
}

/// The address behind the last byte of RAM.
#[inline(always)]
pub(crate) fn end_of_ram() -> PhysAddr {
    // SAFETY: Early boot is single-threaded.
    PhysAddr::new(unsafe { bindings::memblock_end_of_DRAM() })
}

/// Memory from memblock for the length of early boot, as zeroed words.
pub(crate) struct EarlyWords(&'static mut [u64]);

impl EarlyWords {
    /// Allocates `len` words.
    #[inline(always)]
    pub(crate) fn new(len: usize) -> Option<Self> {
        let bytes = len.checked_mul(8)?;
        // SAFETY: memblock works; zero bytes are never asked for.
        let mem = unsafe { bindings::lu_memblock_alloc_zeroed(bytes.max(8)) };
        if mem.is_null() {
            return None;
        }
        // SAFETY: The memory is fresh, zeroed, aligned to a page and ours until given back.
        Some(Self(unsafe { slice::from_raw_parts_mut(mem.cast(), len) }))
    }

    /// Keeps the memory for as long as the kernel runs.
    pub(crate) fn leak(self) -> &'static mut [u64] {
        self.0
    }

    /// Gives the memory back.
    #[inline(always)]
    pub(crate) fn free(self) {
        // SAFETY: It came from the allocation in `new`, whose size was the same.
        unsafe {
            bindings::lu_memblock_free(self.0.as_mut_ptr().cast(), (self.0.len() * 8).max(8))
        };
    }
}

impl core::ops::Deref for EarlyWords {
    type Target = [u64];

    #[inline(always)]
    fn deref(&self) -> &[u64] {
        self.0
    }
}

impl core::ops::DerefMut for EarlyWords {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u64] {
        self.0
    }
}

/// One stretch of RAM on one NUMA node, in whole pages.
#[derive(Clone, Copy)]
pub(crate) struct RamRange {
    /// First page.
    pub(crate) start: Pfn,
    /// The page behind the last one.
    pub(crate) end: Pfn,
    /// NUMA node.
    pub(crate) node: i32,
}

/// All RAM, copied from memblock, so that code outside of `.init.text` can look things up.
///
/// # Invariants
///
/// Each range is RAM in the direct map, in ascending order, without overlap. The map is used in
/// early boot only, before memory can go away.
pub(crate) struct RamMap(EarlyWords);

/// Words that describe one [`RamRange`].
const WORDS: usize = 3;

impl RamMap {
    /// Copies memblock's map of memory.
    #[inline(always)]
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: Early boot is single-threaded.
        let len = unsafe { bindings::lu_memory_regions() } as usize;
        let mut words = EarlyWords::new(len.checked_mul(WORDS)?)?;

        for (index, entry) in words.chunks_exact_mut(WORDS).enumerate() {
            let (mut start, mut end, mut nid) = (0, 0, 0);
            // SAFETY: The index is below the number of regions, and the pointers are to locals.
            unsafe {
                bindings::lu_memory_region(index as u32, &mut start, &mut end, &mut nid);
            }
            entry.copy_from_slice(&[start, end, nid as u64]);
        }
        // INVARIANT: memblock keeps its regions sorted and apart.
        Some(Self(words))
    }

    /// Gives the memory of the map back.
    #[inline(always)]
    pub(crate) fn free(self) {
        self.0.free();
    }

    /// The range that has the page at `pfn`.
    pub(crate) fn find(&self, pfn: Pfn) -> Option<RamRange> {
        let len = self.0.len() / WORDS;
        let (mut low, mut high) = (0, len);

        while low < high {
            let middle = low + (high - low) / 2;
            let range = self.get(middle)?;

            if pfn < range.start {
                high = middle;
            } else if pfn >= range.end {
                low = middle + 1;
            } else {
                return Some(range);
            }
        }
        None
    }

    /// All ranges, in ascending order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = RamRange> + '_ {
        (0..self.0.len() / WORDS)
            .filter_map(|index| self.get(index))
            .filter(|range| range.start < range.end)
    }

    fn get(&self, index: usize) -> Option<RamRange> {
        match self.0.get(index * WORDS..)?.get(..WORDS)? {
            [start, end, node] => Some(RamRange {
                start: Pfn::new(*start),
                end: Pfn::new(*end),
                node: *node as i32,
            }),
            _ => None,
        }
    }

    /// Whether all pages from `start` to before `end` are RAM. Neighbouring ranges count as one.
    pub(crate) fn contains(&self, start: Pfn, end: Pfn) -> bool {
        let mut pfn = start;

        while pfn < end {
            match self.find(pfn) {
                Some(range) => pfn = range.end,
                None => return false,
            }
        }
        true
    }
}

impl NodeCheck for &RamMap {
    fn readable(&self, node: PhysAddr) -> bool {
        self.find(node.pfn()).is_some()
    }
}

// SAFETY: The map has only whole pages of RAM that the direct map shows.
unsafe impl RamCheck for &RamMap {}

/// All memory that is reserved in memblock, in pages, sorted; with room for `more` ranges.
#[inline(always)]
pub(crate) fn reserved_ranges(more: usize) -> Option<(EarlyWords, usize)> {
    // To allocate the array may take more regions.
    const SLACK: usize = 16;
    // SAFETY: Early boot is single-threaded.
    let room = unsafe { bindings::lu_reserved_regions() } as usize + SLACK + more;
    let mut words = EarlyWords::new(room.checked_mul(2)?)?;
    // SAFETY: Early boot is single-threaded.
    let len = unsafe { bindings::lu_reserved_regions() } as usize;

    if len.checked_add(more)? > room {
        return None;
    }
    for (index, entry) in words.chunks_exact_mut(2).take(len).enumerate() {
        let (mut start, mut end) = (0, 0);
        // SAFETY: The index is below the number of regions, and the pointers are to locals.
        unsafe { bindings::lu_reserved_region(index as u32, &mut start, &mut end) };
        entry.copy_from_slice(&[start, end]);
    }
    Some((words, len))
}

/// The alignment of scratch regions, in bytes.
#[inline(always)]
pub(crate) fn scratch_alignment() -> u64 {
    // SAFETY: No preconditions.
    unsafe { bindings::lu_scratch_alignment() as u64 }
}

/// Where memory is to be found, for [`alloc`] and [`reserved_bytes`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where devices with short addresses reach it (`ARCH_LOW_ADDRESS_LIMIT`).
    Low,
    /// Anywhere.
    Anywhere,
    /// On a NUMA node.
    Node(i32),
}

/// Reserves `size` bytes with the given alignment, without access to them.
#[inline(always)]
pub(crate) fn alloc(size: u64, align: u64, place: Place) -> Option<PhysAddr> {
    // SAFETY: Early boot is single-threaded.
    let phys = unsafe {
        match place {
            Place::Low => bindings::lu_memblock_alloc_low(size, align),
            Place::Anywhere => bindings::lu_memblock_alloc_node(size, align, -1),
            Place::Node(nid) => bindings::lu_memblock_alloc_node(size, align, nid),
        }
    };
    (phys != 0).then_some(PhysAddr::new(phys))
}

/// Gives back what [`alloc`] reserved.
#[inline(always)]
pub(crate) fn free(start: PhysAddr, size: u64) {
    // SAFETY: Early boot is single-threaded.
    unsafe { bindings::memblock_phys_free(start.get(), size) };
}

/// Bytes that the kernel has reserved for itself so far, without huge pages.
#[inline(always)]
pub(crate) fn reserved_bytes(place: Place) -> u64 {
    // SAFETY: Early boot is single-threaded.
    unsafe {
        match place {
            Place::Low => bindings::lu_reserved_kern_bytes(true, -1),
            Place::Anywhere => bindings::lu_reserved_kern_bytes(false, -1),
            Place::Node(nid) => bindings::lu_reserved_kern_bytes(false, nid),
        }
    }
}

/// The NUMA node with memory that follows `node`, or the first one.
#[inline(always)]
pub(crate) fn next_memory_node(node: Option<i32>) -> Option<i32> {
    // SAFETY: No preconditions.
    let nid = unsafe { bindings::lu_next_memory_node(node.unwrap_or(-1)) };
    (nid >= 0).then_some(nid)
}

/// Whether this kernel was started to save the memory of one that crashed.
#[inline(always)]
pub(crate) fn is_kdump_kernel() -> bool {
    // SAFETY: No preconditions.
    unsafe { bindings::lu_is_kdump_kernel() }
}

/// Hands a scratch region that was reserved at boot to the page allocator, for movable pages.
#[inline(always)]
pub(crate) fn scratch_to_cma(start: PhysAddr, size: u64) {
    // SAFETY: The region was reserved by `alloc` with the alignment of pageblocks and nobody uses
    // it.
    unsafe { bindings::lu_scratch_to_cma(start.get(), size) };
}

/// Hands a scratch region that was reserved at boot to the page allocator, for anything.
#[inline(always)]
pub(crate) fn scratch_give_back(start: PhysAddr, size: u64) {
    // SAFETY: As above.
    unsafe { bindings::lu_scratch_give_back(start.get(), size) };
}

/// Memory that stays reserved for as long as the kernel runs, and that nobody writes to.
///
/// # Invariants
///
/// `len` bytes at `phys` are RAM and reserved in memblock for good, or going to be before memblock
/// gives out anything but scratch.
#[derive(Clone, Copy)]
pub(crate) struct ReservedForever {
    phys: PhysAddr,
    len: usize,
}

impl ReservedForever {
    /// Reserves `len` bytes of RAM at `phys`, which an earlier kernel filled.
    #[inline(always)]
    pub(crate) fn new(phys: PhysAddr, len: usize) -> Result<Self> {
        if !is_ram(phys, len as u64) {
            return Err(EINVAL);
        }
        reserve(phys, len as u64)?;
        // INVARIANT: Both were just established.
        Ok(Self { phys, len })
    }

    /// Takes `len` bytes of RAM at `phys` that are not scratch, which an earlier kernel filled. Whoever
    /// calls this reserves them before memblock gives out more than scratch, or has nobody read them
    /// any more.
    #[inline(always)]
    pub(crate) fn in_advance(phys: PhysAddr, len: usize) -> Result<Self> {
        if !is_ram(phys, len as u64) {
            return Err(EINVAL);
        }
        // INVARIANT: Just checked, and promised by the caller.
        Ok(Self { phys, len })
    }

    /// Whether the memory is RAM, now that all of that is known.
    #[inline(always)]
    pub(crate) fn is_ram(self) -> bool {
        is_ram(self.phys, self.len as u64)
    }

    /// The memory, once there is a direct map.
    pub(crate) fn bytes(self) -> &'static [u8] {
        // SAFETY: By the type invariant the memory is there for good and never written to.
        unsafe { slice::from_raw_parts(direct_map::address_of(self.phys), self.len) }
    }
}

const _: () = assert!(PAGE_SIZE == 1 << PAGE_SHIFT);
