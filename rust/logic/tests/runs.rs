// SPDX-License-Identifier: GPL-2.0

use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// The blocks as mainline's `__kho_preserve_pages_order()` makes them.
fn c_blocks(start: u64, end: u64, node_of: impl Fn(u64) -> i32) -> Vec<(u64, u32)> {
    let mut blocks = Vec::new();
    let mut pfn = start;

    while pfn < end {
        let mut order = pfn.trailing_zeros().min((end - pfn).ilog2());

        while node_of(pfn) != node_of(pfn + (1 << order) - 1) {
            order -= 1;
        }
        blocks.push((pfn, order));
        pfn += 1 << order;
    }
    blocks
}

fn blocks(start: u64, end: u64, node_of: impl Fn(u64) -> i32) -> Vec<(u64, u32)> {
    Blocks::new(Pfn::new(start), Pfn::new(end), |pfn| node_of(pfn.get()))
        .map(|(pfn, order)| (pfn.get(), order))
        .collect()
}

#[test]
fn ranges_are_cut_at_alignment_end_and_node() {
    // Start, end, first page of node 1, blocks.
    let table: [(u64, u64, u64, &[(u64, u32)]); 10] = [
        (5, 5, 0, &[]),
        (6, 5, 0, &[]),
        (5, 6, 0, &[(5, 0)]),
        (0, 8, 99, &[(0, 3)]),
        (1, 8, 99, &[(1, 0), (2, 1), (4, 2)]),
        (0, 7, 99, &[(0, 2), (4, 1), (6, 0)]),
        // The node changes in the middle, and at a page that is no power of two.
        (0, 8, 4, &[(0, 2), (4, 2)]),
        (0, 8, 3, &[(0, 1), (2, 0), (3, 0), (4, 2)]),
        (u64::MAX - 1, u64::MAX, 0, &[(u64::MAX - 1, 0)]),
        // Half of all frame numbers.
        (0, u64::MAX, 1, &[(0, 0)]),
    ];

    for (start, end, boundary, expected) in table {
        let found = Blocks::new(Pfn::new(start), Pfn::new(end), |pfn| {
            i32::from(pfn.get() >= boundary)
        })
        .take(expected.len() + usize::from(end < u64::MAX))
        .map(|(pfn, order)| (pfn.get(), order))
        .collect::<Vec<_>>();

        assert_eq!(found, expected, "{start}..{end}, node 1 from {boundary}");
    }
}

#[test]
fn nodes_that_make_no_sense_do_no_harm() {
    let mut calls = 0;
    let found: Vec<_> = Blocks::new(Pfn::new(0), Pfn::new(16), |_| {
        calls += 1;
        calls
    })
    .collect();

    assert_eq!(found.len(), 16);
    assert!(found.iter().all(|(_, order)| *order == 0));
}

#[test]
fn coalescing_looks_at_order_and_address() {
    let table: [(&[(u64, u32)], &[(u64, u32, u64)]); 6] = [
        (&[], &[]),
        (&[(7, 0)], &[(7, 0, 1)]),
        (&[(7, 0), (8, 0)], &[(7, 0, 2)]),
        (&[(7, 0), (9, 0)], &[(7, 0, 1), (9, 0, 1)]),
        (&[(0, 1), (2, 0)], &[(0, 1, 1), (2, 0, 1)]),
        (&[(8, 0), (7, 0)], &[(8, 0, 1), (7, 0, 1)]),
    ];

    for (input, expected) in table {
        let input = input.iter().map(|(pfn, order)| (Pfn::new(*pfn), *order));
        let found: Vec<_> = Coalesce::new(input)
            .map(|run| (run.start.get(), run.order, run.count))
            .collect();

        assert_eq!(found, expected);
    }
}

#[test]
fn the_end_of_a_run_does_not_wrap() {
    let run = |start, order, count| Run {
        start: Pfn::new(start),
        order,
        count,
    };

    assert_eq!(run(8, 3, 2).end(), Some(Pfn::new(24)));
    assert_eq!(run(0, 64, 1).end(), None);
    assert_eq!(run(0, 63, 2).end(), None);
    assert_eq!(run(u64::MAX, 0, 1).end(), None);
}

proptest! {
    #[test]
    fn blocks_are_those_of_c(
        start in 0..5000u64,
        len in 0..5000u64,
        boundaries in prop::collection::vec(0..10_000u64, 0..4),
    ) {
        let node_of = |pfn| boundaries.iter().filter(|edge| **edge <= pfn).count() as i32;
        let found = blocks(start, start + len, node_of);
        let mut next = start;

        assert_eq!(found, c_blocks(start, start + len, node_of));
        for (pfn, order) in found {
            assert_eq!(pfn, next);
            assert!(Pfn::new(pfn).is_aligned(order));
            assert!((pfn..pfn + (1 << order)).all(|page| node_of(page) == node_of(pfn)));
            next = pfn + (1 << order);
        }
        assert_eq!(next, start + len);
    }

    #[test]
    fn coalescing_loses_nothing(input in prop::collection::vec((0..40u64, 0..3u32), 0..60)) {
        let input: Vec<_> = input.iter().map(|(i, order)| (Pfn::new(i << order), *order)).collect();
        let runs: Vec<_> = Coalesce::new(input.iter().copied()).collect();
        let again: Vec<_> = runs
            .iter()
            .flat_map(|run| (0..run.count).map(|i| {
                (Pfn::new(run.start.get() + (i << run.order)), run.order)
            }))
            .collect();

        assert_eq!(again, input);
        for pair in runs.windows(2) {
            assert!(pair[0].order != pair[1].order || pair[0].end() != Some(pair[1].start));
        }
    }
}
