// SPDX-License-Identifier: GPL-2.0

use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << BLOCK_SHIFT;

fn gaps(limit: u64, marks: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let limit = PhysAddr::new(limit);
    // Filled, since the words are to be cleared.
    let mut words = vec![u64::MAX; words_for(limit)];
    let mut busy = BusyBlocks::new(&mut words, limit).unwrap();

    for (start, end) in marks {
        busy.mark(PhysAddr::new(*start), PhysAddr::new(*end));
    }
    let gaps = busy.gaps().map(|(start, end)| (start.get(), end.get()));

    gaps.collect()
}

#[test]
fn boundaries() {
    // Limit, marked ranges, gaps.
    let table: [(u64, &[(u64, u64)], &[(u64, u64)]); 13] = [
        (0, &[], &[]),
        (1, &[], &[(0, 1)]),
        (1, &[(0, 1)], &[]),
        (GIB, &[], &[(0, GIB)]),
        (2 * GIB, &[(0, 1)], &[(GIB, 2 * GIB)]),
        (2 * GIB, &[(GIB - 1, GIB)], &[(GIB, 2 * GIB)]),
        (2 * GIB, &[(GIB - 1, GIB + 1)], &[]),
        (
            3 * GIB,
            &[(GIB, GIB + 4096)],
            &[(0, GIB), (2 * GIB, 3 * GIB)],
        ),
        // The last block is partial.
        (
            2 * GIB + 4096,
            &[(GIB, 2 * GIB)],
            &[(0, GIB), (2 * GIB, 2 * GIB + 4096)],
        ),
        // Empty, inverted, beyond the limit, beyond everything.
        (GIB, &[(5, 5), (6, 5), (GIB, u64::MAX)], &[(0, GIB)]),
        (GIB, &[(0, u64::MAX)], &[]),
        // Across words of the bitmap.
        (
            200 * GIB,
            &[(63 * GIB, 129 * GIB)],
            &[(0, 63 * GIB), (129 * GIB, 200 * GIB)],
        ),
        (
            u64::MAX,
            &[(0, u64::MAX - 2 * GIB)],
            &[(u64::MAX - 2 * GIB + 1, u64::MAX)],
        ),
    ];

    for (limit, marks, expected) in table {
        assert_eq!(gaps(limit, marks), expected, "limit {limit:#x}, {marks:x?}");
    }
}

#[test]
fn a_short_bitmap_is_refused() {
    let limit = PhysAddr::new(64 * GIB + 1);

    assert_eq!(words_for(limit), 2);
    assert!(BusyBlocks::new(&mut [0; 1], limit).is_none());
    assert!(BusyBlocks::new(&mut [0; 2], limit).is_some());
}

proptest! {
    #[test]
    fn gaps_are_what_is_not_marked(
        limit in 1..300 * GIB,
        marks in prop::collection::vec((0..320 * GIB, 0..80 * GIB), 0..8),
    ) {
        let marks: Vec<_> = marks.iter().map(|(start, len)| (*start, start + len)).collect();
        let found = gaps(limit, &marks);
        let busy = |block: u64| marks.iter().any(|(start, end)| {
            start < end && *start < ((block + 1) * GIB).min(limit) && *end > block * GIB
        });
        let free = |block: u64| found.iter().any(|(start, end)| {
            *start <= block * GIB && ((block + 1) * GIB).min(limit) <= *end
        });

        for block in 0..limit.div_ceil(GIB) {
            assert_eq!(free(block), !busy(block), "block {block}");
        }
        for pair in found.windows(2) {
            assert!(pair[0].1 < pair[1].0, "gaps are not maximal");
        }
    }
}

#[test]
fn a_block_is_marked_by_its_number() {
    let limit = PhysAddr::new(70 * GIB + 1);
    let mut words = vec![0; words_for(limit)];
    let mut busy = BusyBlocks::new(&mut words, limit).unwrap();

    // The last one is partial; what is behind it does not exist.
    (0..200)
        .filter(|block| block % 64 != 3)
        .for_each(|block| busy.mark_block(block));
    let gaps: Vec<_> = busy
        .gaps()
        .map(|(start, end)| (start.get(), end.get()))
        .collect();

    assert_eq!(gaps, [(3 * GIB, 4 * GIB), (67 * GIB, 68 * GIB)]);
    assert_eq!(BLOCK_WORDS * 64 * crate::abi::PAGE_SIZE, GIB as usize);
}
