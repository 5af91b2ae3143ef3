// SPDX-License-Identifier: GPL-2.0

use std::collections::BTreeSet;
use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::abi::addr::Pfn;
use crate::logic::mem::for_each_shift;
use crate::logic::mem::Memory;
use crate::logic::radix::Tree;
use crate::logic::runs::Coalesce;

/// Memory of so many pages that all test trees fit.
const END: u64 = 1 << 24;

fn limits<const SHIFT: u32>() -> Limits<SHIFT> {
    Limits::new(Pfn::new(END), Geometry::<SHIFT>::MAX_ORDER)
}

fn foreign<const SHIFT: u32>(
    memory: &Memory<SHIFT>,
    root: PhysAddr,
) -> ForeignTree<&Memory<SHIFT>, &Memory<SHIFT>, SHIFT> {
    ForeignTree::new(memory, memory, limits(), root)
}

/// Blocks that often touch, and often across words, orders and leaves.
fn any_block() -> impl Strategy<Value = (u64, u64, u32)> {
    let index = prop_oneof![0..300u64, 32_700..32_900u64, 65_500..65_600u64, 0..END];
    let len = prop_oneof![1..4u64, 60..70u64, 120..300u64];

    (index, len, prop_oneof![Just(0u32), 0..4u32, 0..25u32])
}

fn read_back<const SHIFT: u32>(blocks: &[(u64, u64, u32)]) {
    let memory = Memory::<SHIFT>::new();
    let mut tree = Tree::<_, SHIFT>::new(&memory).unwrap();
    let mut model = BTreeSet::new();

    for (index, len, order) in blocks {
        for index in (*index..).take(*len as usize) {
            if (index + 1) << order <= END {
                let key = Key::<SHIFT>::new(Pfn::new(index << order), *order).unwrap();

                assert_eq!(tree.insert(key.raw()), Ok(model.insert(key)));
            }
        }
    }
    let keys: Vec<_> = model.iter().map(|key| key.raw()).collect();
    let runs: Vec<_> = Coalesce::new(model.iter().map(|key| (key.pfn(), key.order()))).collect();
    let other = foreign(&memory, tree.root());

    assert!(tree.keys().eq(keys.iter().copied()));
    assert!(tree.runs().eq(runs.iter().copied()));
    assert_eq!(other.keys().collect::<Result<Vec<_>, _>>(), Ok(keys));
    assert_eq!(other.runs().collect::<Result<Vec<_>, _>>(), Ok(runs));
    assert_eq!(
        other.nodes().collect::<Result<Vec<_>, _>>(),
        Ok(tree.nodes().collect())
    );
    assert_eq!(tree.nodes().count(), memory.count());
}

/// Nodes of any level in which tables, bitmaps and garbage are mixed.
fn any_image() -> impl Strategy<Value = Vec<(usize, usize, u64, u64)>> {
    let slot = prop_oneof![Just(0usize), 0..4usize, 0..8192usize];

    prop::collection::vec((0..12usize, slot, 0..10u64, any::<u64>()), 0..60)
}

fn walk_image<const SHIFT: u32>(image: &[(usize, usize, u64, u64)]) {
    let memory = Memory::<SHIFT>::new();

    for frame in 1..13 {
        memory.add(frame);
    }
    for (page, slot, kind, value) in image {
        let value = match kind {
            // Most values are nodes, so that one gets to the bottom.
            0..=6 => (value % 12 + 1) << SHIFT,
            7 => (value % 16) << SHIFT | value >> 60,
            8 => u64::MAX,
            _ => *value,
        };
        let page = PhysAddr::new((*page as u64 + 1) << SHIFT);

        (&memory).store(page, slot % Geometry::<SHIFT>::WORDS, value);
    }
    let limits = limits::<SHIFT>().with_max_nodes(100);
    let tree = ForeignTree::new(&memory, &memory, limits, PhysAddr::new(1 << SHIFT));
    let mut nodes = 0;
    let mut last = 0;
    let mut failed = false;

    for step in tree.walk() {
        assert!(!failed, "goes on after an error");
        match step {
            Ok(Step::Node { address, .. }) => {
                assert!(memory.exists(address));
                nodes += 1;
            }
            Ok(Step::Word { base, bits }) => {
                assert!(bits != 0 && base >= last);
                last = base + 63;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                failed = true;
            }
        }
    }
    assert!(nodes <= 100);
    check_views(&tree, failed);
    check_past_errors(&tree);
}

/// A walk past errors must have all that is before the first one, and end.
fn check_past_errors<const SHIFT: u32>(tree: &ForeignTree<&Memory<SHIFT>, &Memory<SHIFT>, SHIFT>) {
    let steps: Vec<_> = tree.walk().past_errors().collect();
    let nodes = steps
        .iter()
        .filter(|step| matches!(step, Ok(Step::Node { .. })));

    assert!(nodes.count() <= 100);
    assert!(steps
        .iter()
        .zip(tree.walk())
        .all(|(left, right)| *left == right));
    for step in steps {
        if let Ok(Step::Word { base, bits }) = step {
            assert!(
                crate::logic::key::blocks_of_word::<SHIFT>(base, bits)
                    .all(|key| key.pfn().get() + (1 << key.order()) <= END)
            );
        }
    }
}

fn the_rest_is_found<const SHIFT: u32>() {
    let memory = Memory::<SHIFT>::new();
    let mut tree = Tree::<_, SHIFT>::new(&memory).unwrap();
    let far = END / 2;
    let keys: Vec<_> = [(0, 0), (far, 0), (far + 64, 0), (0, 4)]
        .map(|(pfn, order)| Key::<SHIFT>::new(Pfn::new(pfn), order).unwrap().raw())
        .into();

    for key in &keys {
        tree.insert(*key).unwrap();
    }
    let root = tree.root();
    // A node that is no memory, wherever there is room beside the others.
    let slot = (0..Geometry::<SHIFT>::WORDS)
        .find(|slot| (&memory).load(root, *slot) == 0)
        .unwrap();
    (&memory).store(root, slot, 3);

    let other = foreign(&memory, root);
    let mut found = BTreeSet::new();
    let mut errors = 0;
    for step in other.walk().past_errors() {
        match step {
            Ok(Step::Word { base, bits }) => {
                found.extend(
                    (0..64)
                        .filter(|bit| bits >> bit & 1 != 0)
                        .map(|bit| base + bit),
                );
            }
            Ok(Step::Node { .. }) => {}
            Err(_) => errors += 1,
        }
    }
    assert_eq!(errors, 1);
    assert_eq!(found, keys.iter().copied().collect());

    // What is below the root is left out.
    let mut walk = other.walk().past_errors();
    assert!(matches!(walk.next(), Some(Ok(Step::Node { address, .. })) if address == root));
    walk.skip_node();
    assert_eq!(walk.next(), None);
}

#[test]
fn one_bad_node_does_not_hide_the_others() {
    for_each_shift!(the_rest_is_found);
}

/// Keys and runs must tell the same, and only what is within memory.
fn check_views<const SHIFT: u32>(
    tree: &ForeignTree<&Memory<SHIFT>, &Memory<SHIFT>, SHIFT>,
    failed: bool,
) {
    let mut pages = 0;
    let mut run_pages = 0;

    for key in tree.keys().map_while(Result::ok) {
        let key = Key::<SHIFT>::from_raw(key).unwrap();

        assert!(key.pfn().get() + (1 << key.order()) <= END);
        pages += 1 << key.order();
    }
    for run in tree.runs().map_while(Result::ok) {
        assert!(run.end().unwrap().get() <= END);
        run_pages += run.pages().unwrap();
    }
    assert_eq!(pages, run_pages);
    assert_eq!(tree.keys().any(|key| key.is_err()), failed);
    assert_eq!(tree.runs().any(|run| run.is_err()), failed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_inserted_is_read(blocks in prop::collection::vec(any_block(), 0..12)) {
        for_each_shift!(read_back, &blocks);
    }

    #[test]
    fn any_image_is_survived(image in any_image()) {
        for_each_shift!(walk_image, &image);
    }
}

#[test]
fn runs_are_maximal_and_of_one_order() {
    fn check<const SHIFT: u32>() {
        // Blocks by first index, number and order; then the runs, high orders first.
        let table: [(&[(u64, u64, u32)], &[(u64, u32, u64)]); 7] = [
            (&[], &[]),
            (&[(0, 1, 0)], &[(0, 0, 1)]),
            (&[(0, 64, 0)], &[(0, 0, 64)]),
            (&[(1, 200, 0)], &[(1, 0, 200)]),
            (&[(0, 2, 0), (3, 1, 0)], &[(0, 0, 2), (3, 0, 1)]),
            // The last block of an order and the first of the next lower have adjacent keys.
            (&[(0, 512, 1), (1024, 5, 0)], &[(0, 1, 512), (1024, 0, 5)]),
            // Across a leaf.
            (&[(524_000, 600, 0)], &[(524_000, 0, 600)]),
        ];

        for (blocks, expected) in table {
            let memory = Memory::<SHIFT>::new();
            let mut tree = Tree::<_, SHIFT>::new(&memory).unwrap();

            for (index, len, order) in blocks {
                for index in *index..index + len {
                    let key = Key::<SHIFT>::new(Pfn::new(index << order), *order).unwrap();

                    tree.insert(key.raw()).unwrap();
                }
            }
            let runs: Vec<_> = foreign(&memory, tree.root())
                .runs()
                .map(|run| run.unwrap())
                .map(|run| (run.start.get(), run.order, run.count))
                .collect();

            assert_eq!(runs, expected);
        }
    }
    for_each_shift!(check);
}

#[test]
fn an_order_ends_where_the_next_begins() {
    // All of the top half of one order and the start of the next: keys adjacent, orders not.
    let memory = Memory::<12>::new();
    let mut tree = Tree::<_, 12>::new(&memory).unwrap();

    for raw in 2..200 {
        tree.insert(raw).unwrap();
    }
    let runs: Vec<_> = tree.runs().map(|run| (run.order, run.count)).collect();

    assert_eq!(
        runs,
        [
            (51, 2),
            (50, 4),
            (49, 8),
            (48, 16),
            (47, 32),
            (46, 64),
            (45, 72)
        ]
    );
}

/// A tree with one key, of order 0 and frame 0, its nodes from the root to the bitmap.
fn one_key<const SHIFT: u32>(memory: &Memory<SHIFT>) -> Vec<PhysAddr> {
    let mut tree = Tree::<_, SHIFT>::new(memory).unwrap();

    tree.insert(Key::<SHIFT>::first_of(0)).unwrap();
    tree.nodes().collect()
}

/// Checks that a walk yields one error, and that it is this one.
fn assert_corrupt<const SHIFT: u32>(memory: &Memory<SHIFT>, root: PhysAddr, expected: Corrupt) {
    let tree = foreign(memory, root);
    let errors: Vec<_> = tree.runs().filter_map(Result::err).collect();

    assert_eq!(errors, [expected], "{expected}");
    if !matches!(expected.why, Why::BadKey(_)) {
        assert!(tree.nodes().any(|node| node == Err(expected)));
    }
}

#[test]
fn damaged_nodes_are_named() {
    fn check<const SHIFT: u32>() {
        for level in 1..Geometry::<SHIFT>::DEPTH {
            // What the slot holds instead, as a function of the page's own address.
            type Damage = fn(u64) -> u64;
            let table: [(Damage, Why); 4] = [
                (|node| node + 8, Why::Misaligned),
                (|_| 1 << 40, Why::Unreadable),
                (|_| 0xffff_ffff_ffff_0000, Why::Unreadable),
                (|node| node, Why::Cycle),
            ];

            for (damage, why) in table {
                let memory = Memory::<SHIFT>::new();
                let nodes = one_key(&memory);
                let node = nodes[(Geometry::<SHIFT>::DEPTH - 1 - level) as usize];
                let index = (0..Geometry::<SHIFT>::WORDS)
                    .find(|word| (&&memory).load(node, *word) != 0)
                    .unwrap();
                let address = damage(node.get());

                (&&memory).store(node, index, address);
                assert_corrupt(
                    &memory,
                    nodes[0],
                    Corrupt {
                        level: level - 1,
                        index,
                        address: PhysAddr::new(address),
                        why,
                    },
                );
            }
        }
    }
    for_each_shift!(check);
}

#[test]
fn a_damaged_root_is_named() {
    for (address, why) in [(0x1008, Why::Misaligned), (0x2000, Why::Unreadable)] {
        let memory = Memory::<12>::new();
        let expected = Corrupt {
            level: 5,
            index: 0,
            address: PhysAddr::new(address),
            why,
        };

        assert_corrupt(&memory, PhysAddr::new(address), expected);
    }
}

#[test]
fn nodes_and_keys_beyond_memory_are_named() {
    let memory = Memory::<12>::new();
    let nodes = one_key(&memory);
    let leaf = nodes[5];

    // Slot 511 of the root stands for keys wider than any.
    (&&memory).store(nodes[0], 511, leaf.get());
    let beyond = Corrupt {
        level: 4,
        index: 511,
        address: leaf,
        why: Why::OutOfRange,
    };

    assert_corrupt(&memory, nodes[0], beyond);
    (&&memory).store(nodes[0], 511, 0);

    // The first bitmap behind the end of memory.
    let index = (END >> 15) as usize;
    let memory = Memory::<12>::new();
    let mut tree = Tree::<_, 12>::new(&memory).unwrap();

    tree.insert(Key::<12>::first_of(0) + END).unwrap();
    let leaf = tree.nodes().last().unwrap();
    let behind = Corrupt {
        level: 1,
        index: index >> 9,
        address: tree.nodes().nth(4).unwrap(),
        why: Why::OutOfRange,
    };

    assert_ne!(leaf, behind.address);
    assert_corrupt(&memory, tree.root(), behind);
}

#[test]
fn keys_beyond_memory_are_named() {
    // The end of memory is within a bitmap, and within a word of it.
    let end = 1000;
    let first = Key::<12>::first_of(0);
    let half = Key::<12>::first_of(1);
    let table = [
        (first + end - 1, None),
        (first + end, Some(first + end)),
        (half + end / 2 - 1, None),
        (half + end / 2, Some(half + end / 2)),
        // Order 9, of which one block fits; order 10, of which none does.
        (Key::<12>::first_of(9), None),
        (Key::<12>::first_of(9) + 1, Some(Key::<12>::first_of(9) + 1)),
        (Key::<12>::first_of(8), None),
    ];

    for (key, bad) in table {
        let memory = Memory::<12>::new();
        let mut tree = Tree::<_, 12>::new(&memory).unwrap();

        tree.insert(key).unwrap();
        let limits = Limits::new(Pfn::new(end), 51);
        let other = ForeignTree::<_, _, 12>::new(&memory, &memory, limits, tree.root());
        let error = other.keys().find_map(Result::err).map(|error| error.why);

        assert_eq!(error, bad.map(Why::BadKey), "{key:#x}");
    }
}

#[test]
fn orders_above_the_limit_are_refused() {
    for (max_order, good) in [(9, true), (8, false)] {
        let memory = Memory::<12>::new();
        let mut tree = Tree::<_, 12>::new(&memory).unwrap();

        tree.insert(Key::<12>::first_of(9)).unwrap();
        let limits = Limits::new(Pfn::new(END), max_order);
        let other = ForeignTree::<_, _, 12>::new(&memory, &memory, limits, tree.root());

        assert_eq!(other.runs().all(|run| run.is_ok()), good);
    }
}

#[test]
fn shared_nodes_do_not_multiply() {
    // Each table has its child in all slots: 512 to the power of five ways to the bitmap.
    let memory = Memory::<12>::new();
    let nodes: Vec<_> = (1..7).map(|frame| memory.add(frame)).collect();

    for pair in nodes.windows(2) {
        for word in 0..512 {
            (&&memory).store(pair[0], word, pair[1].get());
        }
    }
    let tree = foreign(&memory, nodes[0]);
    let steps = tree.walk().count() as u64;

    assert!(steps < 10_000, "{steps} steps");
    assert_eq!(tree.walk().filter(|step| step.is_err()).count(), 1);

    // In a large memory the number of nodes ends it, and the error says so.
    let limits = Limits::new(Pfn::new(1 << 52), 51).with_max_nodes(10);
    let tree = ForeignTree::<_, _, 12>::new(&memory, &memory, limits, nodes[0]);
    let errors: Vec<_> = tree.nodes().filter_map(Result::err).collect();

    assert_eq!(tree.nodes().filter(|node| node.is_ok()).count(), 10);
    assert_eq!(errors[0].why, Why::TooManyNodes);
}

#[test]
fn a_full_tree_is_within_the_node_limit() {
    // Every order from end to end: nothing that a sound tree has may be refused.
    fn check<const SHIFT: u32>() {
        let memory = Memory::<SHIFT>::new();
        let mut tree = Tree::<_, SHIFT>::new(&memory).unwrap();
        let end = 3_000_000;

        for order in 6..22 {
            for index in 0..end >> order {
                let key = Key::<SHIFT>::new(Pfn::new(index << order), order).unwrap();

                tree.insert(key.raw()).unwrap();
            }
        }
        let limits = Limits::new(Pfn::new(end), Geometry::<SHIFT>::MAX_ORDER);
        let other = ForeignTree::<_, _, SHIFT>::new(&memory, &memory, limits, tree.root());

        assert!(other.walk().all(|step| step.is_ok()));
        assert_eq!(other.runs().count(), 16);
    }
    for_each_shift!(check);
}
