// SPDX-License-Identifier: GPL-2.0

//! What has gone wrong in live update, in released kernels or in review.
//!
//! Each has a scenario that fails where it is still there, or a reason why there can be none.

/// One way in which live update was wrong.
pub struct FailureMode {
    /// Which part of it, and a number.
    pub id: &'static str,
    /// What was wrong.
    pub about: &'static str,
    /// Whether it still stands in mainline 7.3.4, as far as reading tells.
    pub stands_in_mainline: bool,
    /// Why no scenario covers it, and what does instead.
    pub elsewhere: Option<&'static str>,
}

const fn mode(id: &'static str, about: &'static str) -> FailureMode {
    FailureMode {
        id,
        about,
        stands_in_mainline: false,
        elsewhere: None,
    }
}

impl FailureMode {
    const fn still_in_mainline(mut self) -> Self {
        self.stands_in_mainline = true;
        self
    }

    const fn elsewhere(mut self, why: &'static str) -> Self {
        self.elsewhere = Some(why);
        self
    }
}

/// Why memory across nodes has no scenario.
const ACROSS_NODES: &str = "no caller gets such a range, for memblock and the page allocator give none \
    across nodes; property tests of rust/logic do";

/// All that are known.
pub const FAILURE_MODES: &[FailureMode] = &[
    mode("kho-1", "With pages of 16 KiB the tree is a level too shallow and orders get lost")
        .elsewhere("a matter of arithmetic: property tests of rust/logic run it with pages of 4, 16 and 64 KiB"),
    mode("kho-2", "Memory that crosses NUMA nodes is not unpreserved as it was preserved")
        .elsewhere(ACROSS_NODES),
    mode("kho-3", "Memory that crosses NUMA nodes is restored in part")
        .still_in_mainline()
        .elsewhere(ACROSS_NODES),
    mode("kho-4", "Scratch regions that are not aligned merge with uninitialised pages"),
    mode("kho-5", "The size of scratch regions is wrong, tail pages are not initialised"),
    mode("kho-6", "Deferred initialisation of pages overwrites what KHO knows of them"),
    mode("kho-7", "Huge pages for half of memory leave no room for scratch regions, and KHO is off"),
    mode("kho-8", "A vmalloc area is said to be preserved though there was no memory"),
    mode(
        "kho-9",
        "The incoming map is not looked at before use, blobs in debugfs are taken for device trees; allocation \
            tags are off and unmapped memory is scanned, which kernels of DEBUG=1 complain of",
    ),
    mode("kho-10", "Boot takes time quadratic in the number of separate runs")
        .still_in_mainline(),
    mode("kho-11", "Addresses handed over point outside memory, at each other or at scratch")
        .still_in_mainline(),
    mode("luo-1", "The same file is preserved twice, and restored twice"),
    mode("luo-2", "A retrieve that failed is tried again on what it left"),
    mode("luo-3", "A module's reference is dropped before its last use")
        .elsewhere("unloading of handlers is in tests/vfio_modules.rs of the VM harness: make test-vfio-modules"),
    mode("luo-4", "Sessions come, go and are retrieved while the machine reboots"),
    mode("luo-5", "References of file-lifecycle-bound state are counted wrongly"),
    mode("luo-6", "Strings of the previous kernel are printed without an end, errors are swallowed"),
    mode("luo-7", "Ioctls accept what their header forbids, or refuse what it allows"),
    mode("luo-8", "There can be too few files or sessions, or their chains are believed blindly"),
    mode("luo-9", "Inserting a session or a file is a search through all others")
        .still_in_mainline(),
    mode("luo-10", "Sessions closed early, killed owners, descriptors passed on, second openers"),
    mode("luo-11", "A kexec that fails after freeze leaves files frozen"),
    mode("memfd-1", "A page that was clean when preserved and written later is reclaimed (CVE-2026-43389)"),
    mode("memfd-2", "Pages that were allocated and never written do not read as zero"),
    mode("memfd-3", "An error while retrieving treats a frame number as an address (CVE-2026-46013)"),
    mode("memfd-4", "Sizes, seals and positions at their limits"),
    mode("memfd-5", "Pages in swap, in CMA or of hugetlbfs"),
    mode("memfd-6", "Memory is not accounted for as before, or leaks"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::all;

    #[test]
    fn every_failure_mode_is_looked_for() {
        for mode in FAILURE_MODES {
            let covered = all()
                .iter()
                .any(|scenario| scenario.covers.contains(&mode.id));
            assert_ne!(
                covered,
                mode.elsewhere.is_some(),
                "{} needs a scenario, or a reason why there is none, and not both",
                mode.id
            );
        }
    }
}
