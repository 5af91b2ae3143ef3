// SPDX-License-Identifier: GPL-2.0

use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::abi::kho::KhoVmalloc;
use crate::abi::memfd::MemfdSer;

/// Start, order and number of blocks of each run.
fn cut(start: u64, pages: u64, order: u32, node_of: fn(Pfn) -> i32) -> Vec<(u64, u32, u64)> {
    Cut::new(Pfn::new(start), pages, order, node_of)
        .map(|run| (run.start.get(), run.order, run.count))
        .collect()
}

fn one_node(_: Pfn) -> i32 {
    0
}

#[test]
fn pages_are_cut_into_large_blocks_and_single_pages_around_them() {
    // First page, pages, order; runs.
    let table: [(u64, u64, u32, &[(u64, u32, u64)]); 9] = [
        (5, 0, 3, &[]),
        (5, 1, 3, &[(5, 0, 1)]),
        (5, 3, 3, &[(5, 0, 3)]),
        (8, 7, 3, &[(8, 0, 7)]),
        (8, 8, 3, &[(8, 3, 1)]),
        (8, 25, 3, &[(8, 3, 3), (32, 0, 1)]),
        (6, 30, 3, &[(6, 0, 2), (8, 3, 3), (32, 0, 4)]),
        (6, 30, 0, &[(6, 0, 30)]),
        (u64::MAX - 1, 3, 3, &[]),
    ];

    for (start, pages, order, expected) in table {
        assert_eq!(
            cut(start, pages, order, one_node),
            expected,
            "{pages} pages at {start}, order {order}"
        );
    }
}

#[test]
fn no_block_lies_on_two_nodes() {
    let node_of = |pfn: Pfn| i32::from(pfn.get() >= 20);

    assert_eq!(cut(8, 32, 3, node_of), [(8, 3, 1), (16, 0, 8), (24, 3, 2)]);
}

/// A file of 64 pages.
fn file(extents: usize) -> File<12> {
    let ser = MemfdSer {
        pos: 0,
        size: 64 << 12,
        seals: 0,
        flags: 0,
        nr_folios: extents as u64,
        folios: KhoVmalloc {
            first: 0,
            total_pages: 0,
            flags: 0,
            order: 0,
        },
    };
    File::check(&ser).unwrap()
}

/// Frame, flags, index and length of each.
fn read(entries: &[(u64, u16, u32, u32)]) -> Vec<Result<Extent, MemfdError>> {
    let entries: Vec<_> = entries
        .iter()
        .map(|&(pfn, flags, index, count)| {
            ExtentSer::new(Pfn::new(pfn), flags, index, count).unwrap()
        })
        .collect();

    file(entries.len()).extents(&entries).collect()
}

#[test]
fn what_entries_name_is_counted_whatever_they_say() {
    let entry = |count| ExtentSer::new(Pfn::new(7), 0, 0, count).unwrap();

    assert_eq!(named_pages(&[]), 0);
    assert_eq!(named_pages(&[entry(2), entry(3)]), 5);
    assert_eq!(
        named_pages(&[entry(u32::MAX), entry(u32::MAX)]),
        2 * u64::from(u32::MAX)
    );
}

#[test]
fn sound_extents_are_read() {
    let found = read(&[(100, 3, 0, 10), (7, 0, 10, 1), (200, 1, 60, 4)]);

    assert_eq!(
        found,
        [(0, 100, 0, 10, 3), (1, 7, 10, 1, 0), (2, 200, 60, 4, 1)].map(
            |(at, pfn, index, pages, flags)| Ok(Extent {
                at,
                pfn: Pfn::new(pfn),
                index,
                pages,
                flags
            })
        )
    );
}

#[test]
fn damaged_extents_are_named_and_end_the_walk() {
    let bad = |pfn, pages| MemfdError::BadExtent {
        at: 1,
        pfn: Pfn::new(pfn),
        pages,
    };
    let last = (1 << PFN_BITS) - 1;
    let max = u32::MAX;
    let table = [
        ((9, 4, 8, 1), MemfdError::FolioFlags { at: 1, flags: 4 }),
        ((9, 0, 3, 1), MemfdError::NotAscending { at: 1, index: 3 }),
        ((9, 0, 64, 1), MemfdError::BehindEnd { at: 1, index: 64 }),
        ((9, 0, 60, 5), MemfdError::BehindEnd { at: 1, index: 60 }),
        (
            (9, 0, max, max),
            MemfdError::BehindEnd {
                at: 1,
                index: max.into(),
            },
        ),
        ((9, 0, 8, 0), bad(9, 0)),
        ((last, 0, 8, 2), bad(last, 2)),
    ];

    for (entry, expected) in table {
        let found = read(&[(100, 0, 0, 4), entry, (300, 0, 20, 1)]);

        assert_eq!(found.len(), 2, "nothing is read behind {expected:?}");
        assert_eq!(found[1], Err(expected));
    }
    assert!(read(&[(last, 0, 8, 1)])[0].is_ok());
}

/// Frame, order of the blocks and of the folios of each step.
fn steps(
    extent: (u64, u64, u64),
    max_order: u32,
    blocks: &[(u64, u32)],
) -> Vec<Result<(u64, u32, u32), MemfdError>> {
    let (pfn, index, pages) = extent;
    let blocks: BTreeMap<_, _> = blocks.iter().copied().collect();
    let extent = Extent {
        at: 3,
        pfn: Pfn::new(pfn),
        index,
        pages,
        flags: 0,
    };

    extent
        .pieces(max_order, |pfn| blocks.get(&pfn.get()).copied())
        .map(|step| step.map(|step| (step.pfn.get(), step.block_order, step.order)))
        .collect()
}

#[test]
fn blocks_become_the_largest_folios_that_fit() {
    let single: Vec<_> = (0..40).map(|pfn| (pfn, 0)).collect();

    // Alike aligned: single pages are put together, to what is left.
    assert_eq!(
        steps((6, 14, 11), 3, &single),
        [Ok((6, 0, 1)), Ok((8, 0, 3)), Ok((16, 0, 0))]
    );
    // Not beyond the limit.
    assert_eq!(
        steps((8, 8, 4), 1, &single),
        [Ok((8, 0, 1)), Ok((10, 0, 1))]
    );
    // Off by one: no large folio is possible.
    assert_eq!(
        steps((8, 9, 3), 3, &single),
        [Ok((8, 0, 0)), Ok((9, 0, 0)), Ok((10, 0, 0))]
    );
    // A block is a folio, many folios, or a part of one.
    assert_eq!(steps((8, 16, 8), 3, &[(8, 3)]), [Ok((8, 3, 3))]);
    assert_eq!(steps((8, 2, 8), 3, &[(8, 3)]), [Ok((8, 3, 1))]);
    assert_eq!(steps((8, 8, 8), 0, &[(8, 3)]), [Ok((8, 3, 0))]);
    assert_eq!(steps((0, 0, 16), 9, &[(0, 3), (8, 3)]), [Ok((0, 3, 4))]);
    // What follows is of another order, or not there.
    assert_eq!(
        steps((8, 8, 8), 3, &[(8, 1), (10, 0), (11, 0), (12, 2)]),
        [Ok((8, 1, 1)), Ok((10, 0, 1)), Ok((12, 2, 2))]
    );
}

#[test]
fn memory_that_is_not_preserved_as_it_should_be_is_named() {
    let missing = |pfn| MemfdError::NotPreserved {
        at: 3,
        pfn: Pfn::new(pfn),
    };
    let misaligned = |pfn, index, order| MemfdError::FolioMisaligned {
        at: 3,
        pfn: Pfn::new(pfn),
        index,
        order,
    };

    assert_eq!(steps((8, 0, 2), 3, &[]), [Err(missing(8))]);
    assert_eq!(
        steps((8, 1, 2), 3, &[(8, 0)]),
        [Ok((8, 0, 0)), Err(missing(9))]
    );
    // A block that reaches beyond the extent is somebody else's, too.
    assert_eq!(steps((8, 0, 7), 3, &[(8, 3)]), [Err(misaligned(8, 0, 3))]);
    assert_eq!(steps((9, 0, 8), 3, &[(9, 1)]), [Err(misaligned(9, 0, 1))]);
    assert_eq!(
        steps((8, 0, 8), 3, &[(8, u32::MAX)]),
        [Err(misaligned(8, 0, u32::MAX))]
    );
}

proptest! {
    #[test]
    fn what_is_cut_comes_back_page_by_page(
        start in 0u64..5_000,
        index in 0u64..5_000,
        pages in 0u64..3_000,
        order in 0u32..11,
        max_order in 0u32..10,
        boundary in 0u64..8_000,
    ) {
        let node_of = |pfn: Pfn| i32::from(pfn.get() >= boundary);
        let mut blocks = BTreeMap::new();
        let mut next = start;
        for run in Cut::new(Pfn::new(start), pages, order, node_of) {
            prop_assert_eq!(run.start.get(), next);
            prop_assert!(run.order == order || run.order == 0);
            for _ in 0..run.count {
                prop_assert_eq!(next % (1 << run.order), 0);
                let last = Pfn::new(next + (1 << run.order) - 1);
                prop_assert_eq!(node_of(Pfn::new(next)), node_of(last));
                blocks.insert(next, run.order);
                next += 1 << run.order;
            }
        }
        prop_assert_eq!(next, start + pages);

        let extent = Extent { at: 0, pfn: Pfn::new(start), index, pages, flags: 0 };
        let order_of = |pfn: Pfn| blocks.get(&pfn.get()).copied();
        let all: Vec<_> = extent.pieces(max_order, order_of).collect();
        let (mut pfn, mut at) = (start, index);
        for step in &all {
            let step = step.as_ref().unwrap();
            prop_assert_eq!((step.pfn.get(), step.index), (pfn, at));
            prop_assert!(step.order <= max_order);
            // The first folio is aligned, hence all that follow it in the step.
            prop_assert_eq!((pfn | at) % (1 << step.order), 0);
            pfn += step.pages();
            at += step.pages();
        }
        prop_assert_eq!((pfn, at), (start + pages, index + pages));
    }

    #[test]
    fn any_extents_are_refused_or_apart_from_each_other(
        entries in proptest::collection::vec(
            (0u64..64, 0u16..5, 0u32..70, 0u32..20), 0..10),
        blocks in proptest::collection::btree_map(0u64..80, 0u32..6, 0..80),
        max_order in 0u32..10,
    ) {
        let mut next = 0;
        let found = read(&entries);
        let good = found.iter().filter(|extent| extent.is_ok()).count();
        prop_assert!(good >= found.len().saturating_sub(1), "an error is the last item");

        for extent in found.into_iter().flatten() {
            prop_assert!(extent.index >= next && extent.index + extent.pages <= 64);
            next = extent.index + extent.pages;
            let mut left = extent.pages;
            for step in extent.pieces(max_order, |pfn| blocks.get(&pfn.get()).copied()).flatten() {
                prop_assert!(step.pages() <= left);
                left -= step.pages();
                // Exactly the blocks that are there.
                for block in (0..step.pages()).step_by(1 << step.block_order) {
                    let order = blocks.get(&(step.pfn.get() + block));
                    prop_assert_eq!(order, Some(&step.block_order));
                }
            }
        }
    }
}
