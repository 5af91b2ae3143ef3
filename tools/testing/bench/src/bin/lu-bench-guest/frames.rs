// SPDX-License-Identifier: GPL-2.0

//! Where the pages of a file lie in memory, and how to have them lie in a certain way.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use lu_bench::HUGE_PAGES;
use lu_bench::PAGE_BYTES;
use rustix::mm::MapFlags;
use rustix::mm::ProtFlags;

/// The most that is written to use up what the page allocator has in small pieces: 128 MiB.
const MOST: u64 = 32 << 10;

/// Frames that follow each other before it is believed that small pieces are used up: a block of the greatest
/// order has twice [`HUGE_PAGES`].
const ENOUGH: u64 = 2 * HUGE_PAGES;

/// The frame numbers of pages of a file in memory.
fn of(file: &File, from: u64, pages: u64) -> Result<Vec<u64>> {
    const PRESENT: u64 = 1 << 63;
    const FRAME: u64 = (1 << 55) - 1;
    let page_bytes = PAGE_BYTES as u64;
    let mapping = Mapping::new(
        file,
        from * page_bytes,
        usize::try_from(pages * page_bytes)?,
    )?;
    let mut bytes = vec![0; usize::try_from(pages * 8)?];
    File::open("/proc/self/pagemap")
        .context("opening /proc/self/pagemap")?
        .read_exact_at(&mut bytes, mapping.address() as u64 / page_bytes * 8)
        .context("reading /proc/self/pagemap")?;
    bytes
        .chunks_exact(8)
        .map(|bytes| {
            let mut entry = [0; 8];
            entry.copy_from_slice(bytes);
            let entry = u64::from_le_bytes(entry);
            let frame = entry & FRAME;
            ensure!(
                entry & PRESENT != 0 && frame != 0,
                "/proc/self/pagemap does not say where a page is"
            );
            Ok(frame)
        })
        .collect()
}

/// Writes pages to `filler` until the frame that the page allocator gives away next is `shift` behind the start of
/// a block of 2 MiB, and those after it follow it.
pub(crate) fn align(filler: &File, shift: u64) -> Result<()> {
    let page = vec![0; PAGE_BYTES];
    let mut written = 0;
    // How many frames followed each other, up to the last one.
    let (mut run, mut last) = (0, 0);
    while written < MOST {
        let missing = (shift + HUGE_PAGES - 1 - last % HUGE_PAGES) % HUGE_PAGES;
        if run >= ENOUGH && missing == 0 {
            return Ok(());
        }
        let count = if run >= ENOUGH { missing } else { HUGE_PAGES };
        for number in written..written + count {
            filler
                .write_all_at(&page, number * PAGE_BYTES as u64)
                .context("writing a page")?;
        }
        for frame in of(filler, written, count)? {
            run = if follows(last, frame) { run + 1 } else { 1 };
            last = frame;
        }
        written += count;
    }
    anyhow::bail!(
        "the page allocator gave away {MOST} pages, and {ENOUGH} never followed each other"
    )
}

/// Whether a frame is the next, or the first of another block: there the page allocator has no choice.
fn follows(last: u64, frame: u64) -> bool {
    frame == last + 1 || (frame % HUGE_PAGES == 0 && (last + 1) % HUGE_PAGES == 0)
}

/// Checks that the frames of a file follow each other, the first one `shift` behind the start of a block of
/// 2 MiB, and counts from how many blocks they went on in another than the next.
pub(crate) fn check(file: &File, pages: u64, shift: u64) -> Result<u64> {
    let mut check = Check::new(shift);
    let mut from = 0;
    // A few at a time: what a list of all of them takes would be freed at some time, and be taken for
    // metadata that is not there.
    while from < pages {
        let count = HUGE_PAGES.min(pages - from);
        for frame in of(file, from, count)? {
            check.next(frame)?;
        }
        from += count;
    }
    Ok(check.jumps)
}

/// Looks at frames one after the other.
struct Check {
    shift: u64,
    /// Frames so far.
    count: u64,
    last: u64,
    jumps: u64,
}

impl Check {
    fn new(shift: u64) -> Self {
        Self {
            shift,
            count: 0,
            last: 0,
            jumps: 0,
        }
    }

    fn next(&mut self, frame: u64) -> Result<()> {
        let (page, last) = (self.count, self.last);
        ensure!(
            frame % HUGE_PAGES == (page + self.shift) % HUGE_PAGES,
            "page {page} is in frame {frame:#x}, which is not where it should be in its block"
        );
        if page > 0 {
            ensure!(
                follows(last, frame),
                "page {page} is in frame {frame:#x}, that before it in {last:#x}"
            );
            self.jumps += u64::from(frame != last + 1);
        }
        self.count += 1;
        self.last = frame;
        Ok(())
    }
}

/// Pages of a file in the memory of this process. They are never accessed there.
struct Mapping {
    address: *mut core::ffi::c_void,
    length: usize,
}

impl Mapping {
    #[expect(unsafe_code, reason = "mapping memory is an unsafe function")]
    fn new(file: &File, offset: u64, length: usize) -> Result<Self> {
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: The kernel chooses an address where nothing is, and nothing refers to it.
        let address = unsafe {
            rustix::mm::mmap(
                core::ptr::null_mut(),
                length,
                ProtFlags::READ,
                flags,
                file,
                offset,
            )
        };
        let address = address.context("mapping a file")?;
        Ok(Self { address, length })
    }

    fn address(&self) -> usize {
        self.address.addr()
    }
}

impl Drop for Mapping {
    #[expect(unsafe_code, reason = "unmapping memory is an unsafe function")]
    fn drop(&mut self) {
        // SAFETY: This is the mapping that `new` made, and nothing refers to it.
        let result = unsafe { rustix::mm::munmap(self.address, self.length) };
        debug_assert!(result.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jumps(frames: &[u64], shift: u64) -> Result<u64> {
        let mut check = Check::new(shift);
        frames.iter().try_for_each(|frame| check.next(*frame))?;
        Ok(check.jumps)
    }

    #[test]
    fn frames_may_jump_from_block_to_block_only() {
        let block = |number: u64| number * HUGE_PAGES..(number + 1) * HUGE_PAGES;
        let frames: Vec<u64> = block(3).chain(block(4)).chain(block(9)).collect();
        assert_eq!(jumps(&frames, 0).unwrap(), 1);
        assert!(jumps(&frames, 1).is_err());
        assert_eq!(jumps(&frames[1..], 1).unwrap(), 1);
        let gap: Vec<u64> = (0..8).chain(HUGE_PAGES + 8..HUGE_PAGES + 16).collect();
        assert!(jumps(&gap, 0).is_err());
    }
}
