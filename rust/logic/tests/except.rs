// SPDX-License-Identifier: GPL-2.0

use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn parts(start: u64, end: u64, others: &[Range]) -> Vec<Range> {
    Except::new(Pfn::new(start), Pfn::new(end), others)
        .map(|(start, end)| [start.get(), end.get()])
        .collect()
}

#[test]
fn what_others_have_is_left_out() {
    let table: &[(&[Range], &[Range])] = &[
        (&[], &[[10, 20]]),
        (&[[0, 5]], &[[10, 20]]),
        (&[[0, 10]], &[[10, 20]]),
        (&[[20, 30]], &[[10, 20]]),
        (&[[0, 30]], &[]),
        (&[[10, 20]], &[]),
        (&[[12, 14]], &[[10, 12], [14, 20]]),
        (&[[5, 12], [18, 40]], &[[12, 18]]),
        (&[[12, 16], [13, 14], [15, 17]], &[[10, 12], [17, 20]]),
        // Empty ones change nothing.
        (&[[0, 0], [15, 15]], &[[10, 20]]),
    ];

    for (others, expected) in table {
        assert_eq!(parts(10, 20, others), *expected, "without {others:?}");
    }
}

proptest! {
    #[test]
    fn each_page_is_in_one_part_unless_others_have_it(
        start in 0u64..80,
        len in 0u64..80,
        others in proptest::collection::vec((0u64..160, 0u64..20), 0..12),
    ) {
        let mut others: Vec<Range> = others.iter().map(|(at, len)| [*at, at + len]).collect();

        sort(&mut others);
        prop_assert!(others.is_sorted_by_key(|[start, _]| *start));
        let parts = parts(start, start + len, &others);

        prop_assert!(parts.windows(2).all(|pair| pair[0][1] < pair[1][0]
            || others.iter().any(|other| other[0] >= pair[0][1] && other[0] <= pair[1][0])));
        for page in 0..200 {
            let within = page >= start && page < start + len;
            let theirs = others.iter().any(|[first, end]| (*first..*end).contains(&page));
            let count = parts.iter().filter(|[first, end]| (*first..*end).contains(&page)).count();

            prop_assert_eq!(count, usize::from(within && !theirs), "page {}", page);
        }
    }
}
