// SPDX-License-Identifier: GPL-2.0

use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::logic::mem::for_each_shift;
use crate::logic::mem::Memory;

/// One operation on a tree.
#[derive(Clone, Debug)]
enum Op {
    Insert(u64),
    Remove(u64),
    Contains(u64),
    /// Insertion with so many nodes left to allocate.
    Starved(u64, usize),
    /// Runs, given by their first key and their length, with so many nodes left to allocate.
    InsertRuns(Vec<(u64, u64)>, usize),
    RemoveRuns(Vec<(u64, u64)>),
}

/// Keys that share nodes with others and that lie far off.
fn any_key() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..200u64,
        (0..64u32).prop_map(|bit| 1 << bit),
        (0..64u32, 0..200u64).prop_map(|(bit, low)| 1 << bit | low),
        any::<u64>(),
    ]
}

/// Runs in the same word of a bitmap, or not, next to each other in the list or not, that may overlap.
fn any_runs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let group = (
        any_key(),
        prop::collection::vec((0..300u64, 0..3u64), 0..20),
    )
        .prop_map(|(first, singles)| {
            let single = |(near, count)| (first ^ near, count);
            singles.into_iter().map(single).collect::<Vec<_>>()
        });
    let long = (any_key(), 0..300u64).prop_map(|run| Vec::from([run]));

    prop::collection::vec(prop_oneof![group, long], 0..4).prop_map(|groups| groups.concat())
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => any_key().prop_map(Op::Insert),
        2 => any_key().prop_map(Op::Remove),
        1 => any_key().prop_map(Op::Contains),
        1 => (any_key(), 0..6usize).prop_map(|(key, left)| Op::Starved(key, left)),
        4 => (any_runs(), prop_oneof![2 => Just(usize::MAX), 1 => 0..20usize])
            .prop_map(|(runs, left)| Op::InsertRuns(runs, left)),
        4 => any_runs().prop_map(Op::RemoveRuns),
    ]
}

/// The keys in runs, some more than once.
fn keys_of(runs: &[(u64, u64)]) -> impl Iterator<Item = u64> + '_ {
    runs.iter()
        .flat_map(|(first, count)| *first..first.saturating_add(*count))
}

fn apply<const SHIFT: u32>(ops: &[Op]) {
    let wide = |key: u64| key >> Geometry::<SHIFT>::KEY_WIDTH != 0;
    let memory = Memory::<SHIFT>::new();
    let mut tree = Tree::<_, SHIFT>::new(&memory).unwrap();
    let mut model = BTreeSet::new();

    for op in ops {
        match op.clone() {
            Op::InsertRuns(runs, left) => {
                let keys: Vec<_> = keys_of(&runs).collect();
                let fits = !keys.iter().copied().any(wide)
                    && runs
                        .iter()
                        .all(|(first, count)| first.checked_add(*count).is_some());

                memory.left.set(left);
                let inserted = tree.insert_runs(runs.iter().copied());
                memory.left.set(usize::MAX);

                match inserted {
                    Ok(()) => {
                        assert!(fits);
                        model.extend(keys);
                    }
                    Err(error) => {
                        assert!(!fits || left != usize::MAX, "refused without a reason");
                        assert!(fits || left != usize::MAX || error == InsertError::Range);
                        keys.iter().for_each(|key| assert!(!tree.contains(*key)));
                        model.retain(|key| !keys.contains(key));
                    }
                }
            }
            Op::RemoveRuns(runs) => {
                let keys: BTreeSet<_> = keys_of(&runs).collect();
                let once = keys.len() == keys_of(&runs).count();
                let all = keys.is_subset(&model);
                let removed = tree.remove_runs(runs.into_iter());

                model.retain(|key| !keys.contains(key));
                // Of a key that is given twice the second may be missed.
                assert!(removed == all || all && !once);
            }
            Op::Insert(key) if wide(key) => {
                assert_eq!(tree.insert(key), Err(InsertError::Range));
            }
            Op::Insert(key) => assert_eq!(tree.insert(key), Ok(model.insert(key))),
            Op::Remove(key) => assert_eq!(tree.remove(key), model.remove(&key)),
            Op::Contains(key) => assert_eq!(tree.contains(key), model.contains(&key)),
            Op::Starved(key, left) => {
                let before = memory.count();

                memory.left.set(left);
                match tree.insert(key) {
                    Ok(new) => assert_eq!(new, model.insert(key)),
                    Err(_) => assert_eq!(memory.count(), before, "nodes leaked"),
                }
                memory.left.set(usize::MAX);
            }
        }
    }
    assert!(tree.keys().eq(model.iter().copied()));

    let nodes: Vec<_> = tree.nodes().collect();
    let distinct: BTreeSet<_> = nodes.iter().copied().collect();

    assert_eq!(nodes.first(), Some(&tree.root()));
    assert_eq!(nodes.len(), distinct.len());
    assert_eq!(nodes.len(), memory.count());
    tree.destroy();
    assert_eq!(memory.count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_like_a_set(ops in prop::collection::vec(any_op(), 0..60)) {
        for_each_shift!(apply, &ops);
    }
}

#[test]
fn geometry_is_that_of_the_c_header() {
    fn check<const SHIFT: u32>(width: u32, table: u32, bitmap: u32, depth: u32) {
        type G<const SHIFT: u32> = Geometry<SHIFT>;

        assert_eq!(G::<SHIFT>::KEY_WIDTH, width);
        assert_eq!(G::<SHIFT>::TABLE_BITS, table);
        assert_eq!(G::<SHIFT>::BITMAP_BITS, bitmap);
        assert_eq!(G::<SHIFT>::DEPTH, depth);
        // What 16 KiB pages once got wrong: the levels must hold the whole key.
        assert!(bitmap + (depth - 1) * table >= width);
        assert!(bitmap + (depth - 2) * table < width);
        assert!(depth as usize <= MAX_DEPTH);
    }
    check::<12>(53, 9, 15, 6);
    check::<14>(51, 11, 17, 5);
    check::<16>(49, 13, 19, 4);
}

#[test]
fn a_first_key_costs_one_node_a_level() {
    fn check<const SHIFT: u32>() {
        let memory = Memory::<SHIFT>::new();
        let mut tree = Tree::<_, SHIFT>::new(&memory).unwrap();
        let top = 1 << (Geometry::<SHIFT>::KEY_WIDTH - 1);

        assert_eq!(tree.insert(top), Ok(true));
        assert_eq!(memory.count(), Geometry::<SHIFT>::DEPTH as usize);
        assert_eq!(tree.insert(top), Ok(false));
        assert_eq!(tree.insert(top + 1), Ok(true));
        assert_eq!(memory.count(), Geometry::<SHIFT>::DEPTH as usize);
        assert_eq!(tree.insert(top << 1), Err(InsertError::Range));
        assert!(!tree.remove(top << 1));
        assert!(!tree.contains(top << 1));
    }
    for_each_shift!(check);
}

#[test]
fn an_insertion_without_memory_changes_nothing() {
    fn check<const SHIFT: u32>() {
        for left in 0..Geometry::<SHIFT>::DEPTH as usize - 1 {
            let memory = Memory::<SHIFT>::new();
            let mut tree = Tree::<_, SHIFT>::new(&memory).unwrap();

            memory.left.set(left);
            assert_eq!(tree.insert(77), Err(InsertError::OutOfMemory));
            assert_eq!(memory.count(), 1);
            assert_eq!(tree.keys().count(), 0);
            assert!(!tree.contains(77));
            memory.left.set(usize::MAX);
            assert_eq!(tree.insert(77), Ok(true));
        }
    }
    for_each_shift!(check);
}

#[test]
fn no_memory_for_the_root_is_none() {
    let memory = Memory::<12>::new();

    memory.left.set(0);
    assert!(Tree::<_, 12>::new(&memory).is_none());
}

#[test]
fn a_tree_goes_on_from_its_root() {
    let memory = Memory::<12>::new();
    let mut tree = Tree::<_, 12>::new(&memory).unwrap();

    tree.insert(1 << 52).unwrap();
    let mut again = Tree::<_, 12>::from_root(&memory, tree.root());

    assert!(again.contains(1 << 52));
    assert!(again.remove(1 << 52));
    assert!(!tree.contains(1 << 52));
}
