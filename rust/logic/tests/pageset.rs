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
