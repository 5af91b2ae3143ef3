// SPDX-License-Identifier: GPL-2.0

//! Files in memory whose pages lie in a certain way.

use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use lu_bench::HUGE_PAGES;
use lu_bench::PAGE_BYTES;
use lu_bench::work::Layout;
use rand::RngCore;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::fs::MemfdFlags;

use crate::frames;

/// Where the kernel is told whether files in memory get large folios.
const HUGE_SWITCH: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

/// Bytes that are read or written at once where the order does not matter.
const CHUNK_PAGES: usize = 512;

/// Files of a layout.
pub(crate) struct Made {
    pub(crate) files: Vec<File>,
    /// How often frames that should follow each other go on elsewhere than in the next block.
    pub(crate) jumps: u64,
}

/// Makes the files of a layout. Each file has other content, drawn from `seed`.
pub(crate) fn files(layout: Layout, pages: u64, seed: u64) -> Result<Made> {
    // What makes holes stays until the last file is written, lest others fill them.
    let mut between = Vec::new();
    let mut jumps = 0;
    let files = layout
        .files(pages)
        .into_iter()
        .enumerate()
        .map(|(number, (layout, pages))| {
            file(
                layout,
                pages,
                seed.wrapping_add(number as u64),
                &mut between,
                &mut jumps,
            )
            .with_context(|| format!("making a file, {layout}, of {pages} pages"))
        })
        .collect::<Result<_>>()?;
    Ok(Made { files, jumps })
}

/// Makes one file. Another that has pages before or between those of this one is added to `between`.
fn file(
    layout: Layout,
    pages: u64,
    seed: u64,
    between: &mut Vec<File>,
    jumps: &mut u64,
) -> Result<File> {
    let mut content = Content::new(seed);
    let file = memfd()?;
    match layout {
        Layout::Scattered => {
            let other = memfd()?;
            for page in 0..pages {
                content.write(&file, page)?;
                content.write(&other, page)?;
            }
            between.push(other);
        }
        Layout::Random => {
            let mut order: Vec<u64> = (0..pages).collect();
            order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
            for page in order {
                content.write(&file, page)?;
            }
        }
        Layout::Thp => {
            let before = crate::pages::shmem_huge()?;
            fs::write(HUGE_SWITCH, "always").context("switching large folios on")?;
            for page in 0..pages {
                content.write(&file, page)?;
            }
            fs::write(HUGE_SWITCH, "never").context("switching large folios off")?;
            let huge = crate::pages::shmem_huge()? - before;
            ensure!(
                pages % HUGE_PAGES == 0 && huge == pages,
                "{huge} of {pages} pages are in folios of 2 MiB"
            );
        }
        // In less than a block there is nothing that frames could be contiguous with.
        Layout::Contiguous | Layout::Shifted if pages >= HUGE_PAGES => {
            let shift = u64::from(layout == Layout::Shifted);
            let filler = memfd()?;
            frames::align(&filler, shift)?;
            for page in 0..pages {
                content.write(&file, page)?;
            }
            *jumps += frames::check(&file, pages, shift)?;
            between.push(filler);
        }
        Layout::Nothing | Layout::Contiguous | Layout::Shifted | Layout::Mixed => {
            for page in 0..pages {
                content.write(&file, page)?;
            }
        }
    }
    Ok(file)
}

fn memfd() -> Result<File> {
    let fd = rustix::fs::memfd_create("bench", MemfdFlags::CLOEXEC).context("making a memfd")?;
    Ok(File::from(fd))
}

/// Pages that differ from each other.
struct Content {
    page: Vec<u8>,
}

impl Content {
    fn new(seed: u64) -> Self {
        let mut page = vec![0; PAGE_BYTES];
        Xoshiro256PlusPlus::seed_from_u64(seed).fill_bytes(&mut page);
        Self { page }
    }

    /// Writes page number `number` of a file. Its number is at its start, the rest is random.
    fn write(&mut self, file: &File, number: u64) -> Result<()> {
        self.page[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all_at(&self.page, number * PAGE_BYTES as u64)
            .context("writing a page")
    }
}

/// Digests the content and the sizes of files, in their order.
pub(crate) fn checksum(files: &[File]) -> Result<u64> {
    let mut digest = Digest::default();
    let mut chunk = vec![0; CHUNK_PAGES * PAGE_BYTES];
    for file in files {
        let size = file.metadata().context("looking at a file")?.len();
        digest.word(size);
        let mut at = 0;
        while at < size {
            let left = usize::try_from(size - at).unwrap_or(usize::MAX);
            let part = &mut chunk[..left.min(CHUNK_PAGES * PAGE_BYTES)];
            file.read_exact_at(part, at).context("reading a file")?;
            digest.bytes(part);
            at += part.len() as u64;
        }
    }
    Ok(digest.0)
}

/// Any bit that changes, and any page that is at another place, changes it; it need not withstand an
/// attacker.
#[derive(Default)]
struct Digest(u64);

impl Digest {
    fn word(&mut self, word: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(ODD);
    }

    /// Adds bytes, eight at a time. Files have whole pages.
    fn bytes(&mut self, bytes: &[u8]) {
        for word in bytes.chunks_exact(8) {
            let mut value = [0; 8];
            value.copy_from_slice(word);
            self.word(u64::from_le_bytes(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(layout: Layout, pages: u64, seed: u64) -> u64 {
        checksum(&files(layout, pages, seed).unwrap().files).unwrap()
    }

    #[test]
    fn content_depends_on_the_seed_and_not_on_the_order_of_writing() {
        let one = digest(Layout::Contiguous, 16, 7);
        assert_eq!(one, digest(Layout::Scattered, 16, 7));
        assert_eq!(one, digest(Layout::Random, 16, 7));
        assert_ne!(one, digest(Layout::Contiguous, 16, 8));
        assert_ne!(one, digest(Layout::Contiguous, 17, 7));
    }

    #[test]
    fn two_pages_in_each_other_s_place_are_noticed() {
        let files = files(Layout::Contiguous, 2, 7).unwrap().files;
        let before = checksum(&files).unwrap();
        let mut pages = vec![0; 2 * PAGE_BYTES];
        files[0].read_exact_at(&mut pages, 0).unwrap();
        let (first, second) = pages.split_at(PAGE_BYTES);
        files[0].write_all_at(second, 0).unwrap();
        files[0].write_all_at(first, PAGE_BYTES as u64).unwrap();
        assert_ne!(checksum(&files).unwrap(), before);
    }
}
