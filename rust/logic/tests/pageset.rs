// SPDX-License-Identifier: GPL-2.0

use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Pages in the sets that are tried.
const PAGES: u64 = 300;

fn words() -> Vec<u64> {
    vec![0; words_for(Pfn::new(PAGES)).unwrap()]
}

#[test]
fn boundaries_of_words_are_no_boundaries_of_ranges() {
    for (start, end) in [
        (0, 1),
        (0, 64),
        (63, 65),
        (64, 128),
        (1, 300),
        (127, 257),
        (5, 5),
    ] {
        let mut words = words();

        assert_eq!(
            insert(&mut words, Pfn::new(start), Pfn::new(end)),
            Inserted::Fresh
        );
        let ranges: Vec<_> = Ranges::new(&words).collect();
        if start == end {
            assert!(ranges.is_empty());
        } else {
            assert_eq!(ranges, [(Pfn::new(start), Pfn::new(end))]);
        }
    }
}

#[test]
fn pages_beyond_the_set_are_refused_whole() {
    let mut words = words();

    for (start, end) in [
        (PAGES, 400),
        (310, 321),
        (0, u64::MAX),
        (u64::MAX - 1, u64::MAX),
    ] {
        assert_eq!(
            insert(&mut words, Pfn::new(start), Pfn::new(end)),
            Inserted::OutOfRange
        );
        assert_eq!(Ranges::new(&words).next(), None);
    }
}

proptest! {
    #[test]
    fn the_set_agrees_with_a_model(ranges in prop::collection::vec((0..PAGES, 0..80u64), 0..20)) {
        let mut words = words();
        let mut model = BTreeSet::new();

        for (start, len) in ranges {
            let end = (start + len).min(PAGES);
            let clash = (start..end).any(|page| model.contains(&page));
            let result = insert(&mut words, Pfn::new(start), Pfn::new(end));

            prop_assert_eq!(result == Inserted::Overlap, clash);
            model.extend(start..end);
        }
        let pages: BTreeSet<u64> = Ranges::new(&words)
            .flat_map(|(start, end)| start.get()..end.get())
            .collect();
        prop_assert_eq!(&pages, &model);

        let ranges: Vec<_> = Ranges::new(&words).collect();
        prop_assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        for start in (0..PAGES).step_by(7) {
            let end = start + 13;

            prop_assert_eq!(
                intersects(&words, Pfn::new(start), Pfn::new(end)),
                (start..end).any(|page| model.contains(&page))
            );
        }
    }
}

proptest! {
    #[test]
    fn bridged_ranges_are_those_with_small_gaps_filled(
        pages in proptest::collection::btree_set(0u64..2048, 0..60),
        gap in 65u64..700,
    ) {
        let mut words = vec![0; words_for(Pfn::new(2048)).unwrap()];
        let mut expected: Vec<(u64, u64)> = Vec::new();

        for page in pages {
            insert(&mut words, Pfn::new(page), Pfn::new(page + 1));
            match expected.last_mut() {
                Some((_, end)) if page - *end < gap => *end = page + 1,
                _ => expected.push((page, page + 1)),
            }
        }
        let found: Vec<_> = Bridged::new(&words, gap)
            .map(|(start, end)| (start.get(), end.get()))
            .collect();

        prop_assert_eq!(&found, &expected);
        prop_assert!(Bridged::new(&words, 1).eq(Ranges::new(&words)));
    }

    #[test]
    fn a_set_contains_ranges_of_pages_that_it_has_one_by_one(
        pages in proptest::collection::btree_set(0u64..PAGES, 0..300),
        start in 0u64..PAGES + 200,
        len in 0u64..200,
    ) {
        let mut set = words();

        for page in &pages {
            insert(&mut set, Pfn::new(*page), Pfn::new(page + 1));
        }
        for (start, end) in Ranges::new(&set).map(|(start, end)| (start.get(), end.get())).chain([(start, start + len)]) {
            let expected = (start..end).all(|page| pages.contains(&page));

            prop_assert_eq!(contains(&set, Pfn::new(start), Pfn::new(end)), expected);
        }
    }

    #[test]
    fn gaps_are_bridged_below_a_word_and_not_from_there_on(
        pages in proptest::collection::btree_set(0u64..PAGES, 0..60),
        gap in 1u64..300,
        count in 0usize..60,
    ) {
        let mut set = words();

        for page in &pages {
            insert(&mut set, Pfn::new(*page), Pfn::new(page + 1));
        }
        let open = last_ranges(&set, count);
        let mut found = words();
        for (start, end) in bridged_below(&set, gap, open) {
            prop_assert_eq!(insert(&mut found, start, end), Inserted::Fresh);
        }
        prop_assert!(set.iter().zip(&found).all(|(set, found)| set & !found == 0));
        prop_assert_eq!(&found[open..], &set[open..]);

        let mut all_bridged = words();
        for (start, end) in Bridged::new(&set[..open], gap) {
            insert(&mut all_bridged, start, end);
        }
        prop_assert_eq!(&found[..open], &all_bridged[..open]);

        let after = Ranges::new(&set).filter(|(start, _)| start.get() >= open as u64 * 64).count();
        prop_assert!(after + 1 >= count.min(Ranges::new(&set).count()));
        prop_assert!(after <= count + 32);
    }

    #[test]
    fn a_word_at_a_time_is_as_good_as_page_by_page(
        first in any::<u64>(),
        second in any::<u64>(),
        index in 0u64..4,
    ) {
        let base = Pfn::new(index * 64);
        let mut by_word = words();
        let mut by_page = words();

        for bits in [first, second] {
            let before = by_page.clone();
            let mut fresh = true;

            for bit in (0..64).filter(|bit| bits >> bit & 1 != 0) {
                let page = Pfn::new(base.get() + bit);

                fresh &= insert(&mut by_page, page, Pfn::new(page.get() + 1)) == Inserted::Fresh;
            }
            if !fresh {
                by_page = before;
            }
            prop_assert_eq!(insert_new_word(&mut by_word, base, bits), fresh);
            prop_assert_eq!(&by_word, &by_page);
            prop_assert_eq!(contains_word(&by_word, base, bits), by_page[index as usize] & bits == bits);
        }
    }

    #[test]
    fn the_gaps_of_a_set_are_what_insert_gaps_adds(
        pages in proptest::collection::btree_set(0u64..PAGES, 0..60),
    ) {
        let mut set = words();
        let end = Pfn::new(set.len() as u64 * 64);

        for page in &pages {
            insert(&mut set, Pfn::new(*page), Pfn::new(page + 1));
        }
        let mut gaps = words();
        insert_gaps(&mut gaps, Ranges::new(&set), end);
        prop_assert!(set.iter().zip(&gaps).all(|(set, gaps)| set ^ gaps == u64::MAX));

        let mut next = 0;
        for (start, end) in Ranges::new(&gaps) {
            prop_assert_eq!(next_gap(&set, next), Some((start.get(), end.get())));
            next = end.get();
        }
        prop_assert_eq!(next_gap(&set, next), None);
    }
}

#[test]
fn words_beyond_the_set_are_refused() {
    let mut words = words();
    let beyond = Pfn::new(words.len() as u64 * 64);

    assert!(!insert_new_word(&mut words, beyond, 1));
    assert!(!contains_word(&words, beyond, 1));
    assert_eq!(next_gap(&words, u64::MAX), None);
}

#[test]
fn the_gap_is_as_small_as_the_limit_on_ranges_allows() {
    let mut words = vec![0; words_for(Pfn::new(1 << 16)).unwrap()];

    for page in (0..1 << 16).step_by(4096) {
        insert(&mut words, Pfn::new(page), Pfn::new(page + 1));
    }
    // Sixteen ranges.
    assert_eq!(gap_for(&words, 16, 1024, 1 << 14), 1);
    assert_eq!(gap_for(&words, 15, 1024, 1 << 14), 4096);
    assert_eq!(gap_for(&words, 15, 512, 2048), 2048);
    assert_eq!(gap_for(&words, 15, 1000, 1 << 14), 8000);
}
