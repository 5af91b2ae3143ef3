// SPDX-License-Identifier: GPL-2.0

//! Sorting in place, without recursion and without panics.
//!
//! `core`'s sorts panic when they notice that an order is none, in functions that the kernel's
//! objtool does not know to never return.

/// Sorts `items` by what `key` says of each: heap sort, in `O(n log n)` steps for any input.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    for root in (0..items.len() / 2).rev() {
        sift_down(items, root, &key);
    }
    for end in (1..items.len()).rev() {
        // The largest of what is left goes where it stays.
        items.swap(0, end);
        let (heap, _) = items.split_at_mut(end);
        sift_down(heap, 0, &key);
    }
}

/// Moves the item at `root` down until none of those below it is larger.
fn sift_down<T, K: Ord>(heap: &mut [T], mut root: usize, key: &impl Fn(&T) -> K) {
    loop {
        let left = 2 * root + 1;
        let key_at = |at: usize| heap.get(at).map(key);
        // An index behind the end has no key, which is less than any.
        let child = if key_at(left + 1) > key_at(left) {
            left + 1
        } else {
            left
        };

        if key_at(child) <= key_at(root) {
            return;
        }
        heap.swap(root, child);
        root = child;
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::sort_by_key;

    #[test]
    fn nothing_and_one_are_sorted() {
        sort_by_key(&mut [0u8; 0], |&item| item);
        sort_by_key(&mut [1u8], |&item| item);
    }

    proptest! {
        #[test]
        fn any_slice_is_sorted_as_core_does(items in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut ours = items.clone();
            let mut theirs: Vec<_> = items;

            sort_by_key(&mut ours, |&item| item);
            theirs.sort_unstable();
            prop_assert_eq!(ours, theirs);
        }
    }
}
