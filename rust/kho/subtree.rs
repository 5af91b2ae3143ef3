// SPDX-License-Identifier: GPL-2.0

//! Named blobs: how a subsystem of one kernel tells its successor where to look.
//!
//! The root device tree has a node for each blob.

use kernel::prelude::*;

use crate::abi::addr::Pfn;
use crate::abi::addr::PhysAddr;
use crate::abi::PAGE_SIZE;
use crate::kernel::fdt::FdtPage;
use crate::kernel::mark::Marks;
use crate::kernel::sync::StaticMutex;

use super::debugfs;
use super::incoming;
use super::ingest;
use super::preserved::Preserved;

/// The `compatible` of the root node.
pub(super) const COMPATIBLE: &CStr = c"kho-v4";
/// The property that has the address of the map of preserved memory.
pub(super) const MEMORY_MAP: &CStr = c"preserved-memory-map";
/// The property that has the address of a blob.
pub(super) const BLOB: &CStr = c"preserved-data";
/// The property that has the size of a blob in bytes.
pub(super) const BLOB_SIZE: &CStr = c"blob-size";

/// The device tree for the next kernel.
static ROOT: StaticMutex<Option<Preserved>> = StaticMutex::new(c"kho_fdt", None);

/// Makes the device tree; `map` is the root of the tree of preserved memory.
pub(super) fn start(map: PhysAddr) -> Result {
    let mut page = Preserved::new(PAGE_SIZE)?;
    FdtPage::create(page.bytes_mut(), COMPATIBLE, MEMORY_MAP, map.get())?;
    debugfs::show_out_root(page.phys(), PAGE_SIZE);
    *ROOT.lock() = Some(page);
    Ok(())
}

/// Frees the device tree, when KHO could not be set up.
pub(super) fn stop() {
    drop(ROOT.lock().take());
}

/// Physical address of the device tree for the next kernel.
pub(super) fn root() -> Option<PhysAddr> {
    ROOT.lock().as_ref().map(Preserved::phys)
}

/// Tells the next kernel of a blob; its memory has to be preserved by itself.
///
/// May sleep. `EEXIST` if there is one of this name, `ENOMEM` if the device tree is full, `EINVAL`
/// with KHO off.
///
/// C counterpart: `kho_add_subtree()`.
pub(crate) fn add_subtree(name: &CStr, blob: PhysAddr, size: usize) -> Result {
    let mut root = ROOT.lock();
    let page = root.as_mut().ok_or(EINVAL)?;
    let properties = [(BLOB, blob.get()), (BLOB_SIZE, size as u64)];

    FdtPage::open(page.bytes_mut()).add_child(name, &properties)?;
    debugfs::show_out_blob(name, blob, size);
    Ok(())
}

/// Takes [`add_subtree`] back.
///
/// C counterpart: `kho_remove_subtree()`.
pub(crate) fn remove_subtree(blob: PhysAddr) {
    let mut root = ROOT.lock();
    let Some(page) = root.as_mut() else {
        return;
    };
    if FdtPage::open(page.bytes_mut()).remove_child(BLOB, blob.get()) {
        debugfs::hide_out_blob(blob);
    }
}

/// Whether code in C may read a blob, which does so without another look: it must be memory. Whether it
/// is preserved, only the survey of early boot knows of each page.
fn is_readable(blob: PhysAddr, size: u64) -> bool {
    let Some(last) = blob.checked_add(size.max(1) - 1) else {
        return false;
    };
    let (first, last) = (blob.pfn(), last.pfn());

    // Memory has holes, so one page after the other; the first that is none ends it.
    ingest::surveyed(first, last).unwrap_or_else(|| {
        let mut marks = Marks::new();

        (first.get()..=last.get()).all(|page| marks.is_memory(Pfn::new(page)))
    })
}

/// Looks for a blob of the previous kernel: physical address and size in bytes.
///
/// `ENOENT` if there is none, `EINVAL` if what there is makes no sense or is no memory. Whoever needs to
/// know that it is preserved claims it.
///
/// C counterpart: `kho_retrieve_subtree()`.
pub(crate) fn retrieve_subtree(name: &CStr) -> Result<(PhysAddr, usize)> {
    let root = incoming::root().ok_or(ENOENT)?;
    let node = root.child(name).inspect_err(|error| {
        if *error != ENOENT {
            pr_err!("KHO: subtree '{name}' cannot be looked for: the device tree is damaged\n");
        }
    })?;
    let blob = root.u64(node, BLOB)?;
    let Ok(size) = root.u64(node, BLOB_SIZE) else {
        pr_warn!("KHO: subtree '{}' has no valid size\n", name);
        return Err(EINVAL);
    };
    let blob = PhysAddr::new(blob);

    if !is_readable(blob, size) {
        pr_err!("KHO: subtree '{name}' at {blob} is not in preserved memory\n");
        return Err(EINVAL);
    }
    Ok((blob, usize::try_from(size).map_err(|_| EINVAL)?))
}
