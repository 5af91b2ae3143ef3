// SPDX-License-Identifier: GPL-2.0

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::logic::mem::for_each_shift;

/// The formula of the C header.
fn c_encode(shift: u32, phys: u64, order: u32) -> u64 {
    1 << (64 - (shift + order)) | phys >> (shift + order)
}

#[test]
fn boundaries() {
    fn check<const SHIFT: u32>() {
        let max = Geometry::<SHIFT>::MAX_ORDER;
        let last_pfn = (1 << (64 - SHIFT)) - 1;

        // Frame, order, key.
        let table = [
            (0, 0, Some(1 << (64 - SHIFT))),
            (1, 0, Some(1 << (64 - SHIFT) | 1)),
            (last_pfn, 0, Some((1 << (64 - SHIFT + 1)) - 1)),
            (last_pfn + 1, 0, None),
            (u64::MAX, 0, None),
            (1, 1, None),
            (2, 1, Some(1 << (64 - SHIFT - 1) | 1)),
            (0, max, Some(2)),
            (1 << max, max, Some(3)),
            (1 << (max - 1), max, None),
            (0, max + 1, None),
            (0, u32::MAX, None),
        ];

        for (pfn, order, key) in table {
            let found = Key::<SHIFT>::new(Pfn::new(pfn), order).map(Key::raw);

            assert_eq!(found, key, "frame {pfn:#x} order {order} shift {SHIFT}");
        }
    }
    for_each_shift!(check);
}

#[test]
fn garbage_is_no_key() {
    fn check<const SHIFT: u32>() {
        let widest = (1 << Geometry::<SHIFT>::KEY_WIDTH) - 1;

        for raw in [0, 1, widest + 1, 1 << 63, u64::MAX] {
            assert_eq!(Key::<SHIFT>::from_raw(raw), None, "{raw:#x}");
        }
        for raw in [2, 3, 4, widest] {
            assert!(Key::<SHIFT>::from_raw(raw).is_some(), "{raw:#x}");
        }
    }
    for_each_shift!(check);
}

#[test]
fn an_address_within_a_page_has_no_key() {
    assert_eq!(Key::<12>::from_phys(PhysAddr::new(0x1800), 0), None);
    assert!(Key::<12>::from_phys(PhysAddr::new(0x1000), 0).is_some());
}

proptest! {
    #[test]
    fn encoding_is_that_of_c(index in any::<u64>(), order in 0..64u32) {
        fn check<const SHIFT: u32>(index: u64, order: u32) {
            let order = order % (Geometry::<SHIFT>::MAX_ORDER + 1);
            let shift = SHIFT + order;
            let phys = (index >> shift) << shift;
            let key = Key::<SHIFT>::from_phys(PhysAddr::new(phys), order).unwrap();

            assert_eq!(key.raw(), c_encode(SHIFT, phys, order));
            assert_eq!(key.order(), order);
            assert_eq!(key.pfn().phys_with(SHIFT), Some(PhysAddr::new(phys)));
            assert_eq!(Key::from_raw(key.raw()), Some(key));
            assert!(key.raw() >= Key::<SHIFT>::first_of(order));
        }
        for_each_shift!(check, index, order);
    }

    #[test]
    fn any_number_is_read(raw in prop_oneof![any::<u64>(), (0..64u32).prop_map(|bit| 1 << bit)]) {
        fn check<const SHIFT: u32>(raw: u64) {
            if let Some(key) = Key::<SHIFT>::from_raw(raw) {
                assert_eq!(Key::new(key.pfn(), key.order()), Some(key));
            }
        }
        for_each_shift!(check, raw);
    }
}

proptest! {
    #[test]
    fn the_blocks_of_a_word_are_its_keys(base in 0u64..1 << 53, bits in any::<u64>()) {
        let base = base & !63;
        let expected: Vec<_> = (0..64)
            .filter(|bit| bits >> bit & 1 != 0)
            .filter_map(|bit| <Key>::from_raw(base | bit))
            .collect();

        prop_assert!(blocks_of_word::<PAGE_SHIFT>(base, bits).eq(expected.iter().copied()));
        let pages = |keys: &[Key]| keys.iter().map(|key| 1u128 << key.order()).sum::<u128>();
        let runs: u128 = runs_of_word::<PAGE_SHIFT>(base, bits)
            .map(|run| u128::from(run.count) << run.order)
            .sum();

        prop_assert_eq!(runs, pages(&expected));
        if let Some(first) = word_of_pages::<PAGE_SHIFT>(base) {
            prop_assert!(expected.iter().all(|key| key.order() == 0));
            prop_assert!(expected.iter().all(|key| key.pfn().get() & !63 == first.get()));
        } else {
            prop_assert!(expected.iter().all(|key| key.order() > 0));
        }
    }
}
