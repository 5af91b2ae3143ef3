// SPDX-License-Identifier: GPL-2.0

use std::collections::BTreeMap;
use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::logic::mem::for_each_shift;

/// The page behind the end of memory.
const END: u64 = 1 << 20;

/// Chunks by address, each with the words that are not zero.
type Image = BTreeMap<u64, BTreeMap<usize, u64>>;

fn mem<const SHIFT: u32>(image: &Image) -> impl ChunkMem + '_ {
    |chunk: PhysAddr, word| {
        assert!(chunk.is_aligned(SHIFT) && !chunk.is_null() && word < 1 << (SHIFT - 3));
        let words = image.get(&chunk.get())?;

        Some(words.get(&word).copied().unwrap_or(0))
    }
}

/// Describes blocks as mainline does: a new chunk as soon as one is full.
fn describe<const SHIFT: u32>(blocks: &[u64], order: u16) -> (Image, KhoVmalloc) {
    let len = vmalloc_chunk_len(1 << SHIFT);
    let chunk = |i: usize| (END / 2 + i as u64) << SHIFT;
    let mut image = Image::new();

    for i in 0..=blocks.len() / len {
        let mut words = BTreeMap::new();

        if i < blocks.len() / len {
            words.insert(0, chunk(i + 1));
        }
        for (word, block) in blocks.iter().skip(i * len).take(len).enumerate() {
            words.insert(word + 1, *block);
        }
        image.insert(chunk(i), words);
    }
    let area = KhoVmalloc {
        first: chunk(0),
        total_pages: (blocks.len() as u32) << order,
        flags: VMALLOC_FLAGS,
        order,
    };

    (image, area)
}

fn check<const SHIFT: u32>(image: &Image, area: &KhoVmalloc) -> Result<Vec<u64>, VmallocError> {
    let mem = mem::<SHIFT>(image);
    let area = Area::<_, SHIFT>::check(&mem, area, Pfn::new(END))?;
    let blocks: Vec<_> = area.blocks().map(PhysAddr::get).collect();

    assert_eq!(blocks.len() as u64, u64::from(area.pages()) >> area.order());
    assert!(area.chunks().all(|chunk| image.contains_key(&chunk.get())));
    Ok(blocks)
}

#[test]
fn areas_of_all_lengths_are_read() {
    fn run<const SHIFT: u32>() {
        let len = vmalloc_chunk_len(1 << SHIFT);

        for count in [1, 2, len - 1, len, len + 1, 2 * len, 2 * len + 5] {
            for order in [0, 3] {
                let blocks: Vec<_> = (1..=count as u64).map(|i| i << (SHIFT + 3)).collect();
                let (image, area) = describe::<SHIFT>(&blocks, order);

                assert_eq!(
                    check::<SHIFT>(&image, &area),
                    Ok(blocks),
                    "{count} of {order}"
                );
                let mem = mem::<SHIFT>(&image);
                let area = Area::<_, SHIFT>::check(&mem, &area, Pfn::new(END)).unwrap();

                assert_eq!(area.chunks().count(), image.len());
                assert_eq!(area.flags(), VMALLOC_FLAGS);
            }
        }
    }
    for_each_shift!(run);
}

#[test]
fn damage_is_named() {
    const HEAD: u64 = (END / 2) << 12;
    type Damage = fn(&mut Image, &mut KhoVmalloc);
    let at = PhysAddr::new;
    let total = |found, expected| VmallocError::WrongTotal { found, expected };
    let length = |pages, order| VmallocError::BadLength { pages, order };
    let block = |block| VmallocError::BadBlock {
        block: at(block),
        chunk: at(HEAD),
    };
    // An area of three pages.
    let table: [(Damage, VmallocError); 17] = [
        (
            |_, area| area.flags = 7,
            VmallocError::UnknownFlags { flags: 7 },
        ),
        (|_, area| area.total_pages = 0, length(0, 0)),
        (|_, area| area.order = 1, length(3, 1)),
        (|_, area| area.order = 32, length(3, 32)),
        (|_, area| area.order = u16::MAX, length(3, u16::MAX)),
        (
            |_, area| area.first += 8,
            VmallocError::ChunkMisaligned {
                chunk: at(HEAD + 8),
            },
        ),
        (
            |_, area| area.first = 1 << 40,
            VmallocError::ChunkUnreadable { chunk: at(1 << 40) },
        ),
        (|_, area| area.first = 0, total(0, 3)),
        (|_, area| area.total_pages = 4, total(3, 4)),
        (|_, area| area.total_pages = 2, total(3, 2)),
        (
            |_, area| area.total_pages = END as u32,
            total(3, END as u32),
        ),
        (
            |_, area| area.total_pages = END as u32 + 1,
            VmallocError::TooLong {
                pages: END as u32 + 1,
                end: Pfn::new(END),
            },
        ),
        (
            |image, _| *image.get_mut(&HEAD).unwrap().get_mut(&2).unwrap() += 1,
            block(0x2001),
        ),
        (
            |image, _| *image.get_mut(&HEAD).unwrap().get_mut(&2).unwrap() = END << 12,
            block(END << 12),
        ),
        (
            |image, _| *image.get_mut(&HEAD).unwrap().get_mut(&2).unwrap() = u64::MAX << 12,
            block(u64::MAX << 12),
        ),
        // A cycle of chunks that are full, and one of empty ones.
        (
            |image, _| assert_eq!(image.get_mut(&HEAD).unwrap().insert(0, HEAD), None),
            VmallocError::TooManyChunks { max: 1 },
        ),
        (
            |image, _| assert!(image.insert(HEAD, [(0, HEAD)].into()).is_some()),
            VmallocError::TooManyChunks { max: 1 },
        ),
    ];

    for (damage, expected) in table {
        let (mut image, mut area) = describe::<12>(&[0x1000, 0x2000, 0x3000], 0);

        damage(&mut image, &mut area);
        assert_eq!(check::<12>(&image, &area), Err(expected), "{expected}");
    }
}

#[test]
fn blocks_are_aligned_to_their_order() {
    for (address, good) in [(0x8000, true), (0x4000, false), (0x9000, false)] {
        let (image, area) = describe::<12>(&[address], 3);

        assert_eq!(check::<12>(&image, &area).is_ok(), good, "{address:#x}");
    }
    // The last block of memory, and one that reaches beyond it.
    let (image, area) = describe::<12>(&[(END - 8) << 12], 3);

    assert!(check::<12>(&image, &area).is_ok());
    let mem = mem::<12>(&image);

    assert!(Area::<_, 12>::check(&mem, &area, Pfn::new(END - 1)).is_err());
}

proptest! {
    #[test]
    fn any_image_is_survived(
        raw in prop::collection::vec((1..6u64, 0..5usize, prop_oneof![
            6 => (0..7u64).prop_map(|page| page << 12), 1 => any::<u64>()
        ]), 0..30),
        first in 0..7u64,
        total_pages in prop_oneof![0..20u32, any::<u32>()],
        flags in 0..5u16,
        order in prop_oneof![8 => 0..3u16, 1 => any::<u16>()],
    ) {
        let mut image = Image::new();

        for (page, word, value) in raw {
            image.entry(page << 12).or_default().insert(word, value);
        }
        let area = KhoVmalloc { first: first << 12, total_pages, flags, order };

        if let Err(error) = check::<12>(&image, &area) {
            assert!(!error.to_string().is_empty());
        }
    }
}
