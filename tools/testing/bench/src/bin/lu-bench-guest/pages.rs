// SPDX-License-Identifier: GPL-2.0

//! How much memory is free, to the page.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use rustix::fs::MemfdFlags;
use rustix::fs::SealFlags;

/// Counts the pages that are free, those among them that wait in a processor's own lists.
///
/// Without the latter, as in `MemFree`, a page more or less would drown in batches. Waits until the
/// number does not change any more: page tables are freed some time after what they mapped.
pub(crate) fn free() -> Result<i64> {
    /// Several times what a grace period of an idle system takes.
    const PAUSE: Duration = Duration::from_millis(500);
    const ROUNDS: u32 = 20;

    let mut before = count()?;
    for _ in 0..ROUNDS {
        thread::sleep(PAUSE);
        let now = count()?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
    bail!("the number of free pages does not settle: {before} at last")
}

fn count() -> Result<i64> {
    settle()?;
    // Reading it makes every processor hand in what it has counted.
    fs::read("/proc/sys/vm/stat_refresh").context("refreshing the counters of memory")?;
    let text = fs::read_to_string("/proc/zoneinfo").context("reading /proc/zoneinfo")?;
    parse(&text).context("understanding /proc/zoneinfo")
}

/// Has the kernel free pages that are free but for a reference in a batch on its way to an LRU list.
///
/// There may be dozens, and whoever empties the batch would seem to free them. Looking for references to
/// the pages of a file that is sealed empties it.
fn settle() -> Result<()> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = rustix::fs::memfd_create("settle", flags).context("making a memfd")?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE).context("sealing a memfd")
}

fn parse(text: &str) -> Option<i64> {
    let mut sum = 0;
    for line in text.lines() {
        let line = line.trim();
        let count = line
            .strip_prefix("pages free")
            .or_else(|| line.strip_prefix("count:"));
        if let Some(count) = count {
            sum += count.trim().parse::<i64>().ok()?;
        }
    }
    (sum > 0).then_some(sum)
}

/// Pages that are part of 2 MiB folios of files in memory.
pub(crate) fn shmem_huge() -> Result<u64> {
    const PAGE_KIB: u64 = 4;
    let text = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("ShmemHugePages:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse::<u64>().ok())
        .context("/proc/meminfo has no ShmemHugePages")?;
    Ok(kib / PAGE_KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_the_lists_of_processors_are_added() {
        let text = "Node 0, zone DMA\n  pages free     3840\n        min 5\n      nr_free_pages 3840\n\
                    \x20 pagesets\n    cpu: 0\n              count:    7\n              high: 1\n\
                    Node 0, zone DMA32\n  pages free     10\n";
        assert_eq!(parse(text), Some(3857));
        assert_eq!(parse("Node 0"), None);
        assert_eq!(parse("pages free x"), None);
    }
}
