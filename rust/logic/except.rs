// SPDX-License-Identifier: GPL-2.0

//! What is left of a range of pages without others.

use crate::abi::addr::Pfn;

/// First page of a range, and the page behind its last one.
pub type Range = [u64; 2];

/// Sorts by insertion, which is fine for few ranges that are almost sorted.
pub fn sort(ranges: &mut [Range]) {
    for len in 1..ranges.len() {
        let mut at = len;

        while at > 0 && ranges[at - 1][0] > ranges[at][0] {
            ranges.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Iterator over the parts of a range that are in none of others, in ascending order.
#[derive(Clone, Debug)]
pub struct Except<'a> {
    next: u64,
    end: u64,
    others: core::slice::Iter<'a, Range>,
}

impl<'a> Except<'a> {
    /// The pages from `start` to before `end` without those in `others`, which are sorted by their
    /// first page and may overlap.
    pub fn new(start: Pfn, end: Pfn, others: &'a [Range]) -> Self {
        Self {
            next: start.get(),
            end: end.get(),
            others: others.iter(),
        }
    }
}

impl Iterator for Except<'_> {
    /// First page, and the page behind the last one.
    type Item = (Pfn, Pfn);

    fn next(&mut self) -> Option<(Pfn, Pfn)> {
        for [start, end] in self.others.by_ref() {
            let first = self.next;

            if start >= end {
                continue;
            }
            if first >= self.end || *start >= self.end {
                break;
            }
            self.next = first.max(*end);
            if *start > first {
                return Some((Pfn::new(first), Pfn::new(*start)));
            }
        }
        let first = core::mem::replace(&mut self.next, u64::MAX);

        (first < self.end).then_some((Pfn::new(first), Pfn::new(self.end)))
    }
}

#[cfg(test)]
#[path = "tests/except.rs"]
mod tests;
