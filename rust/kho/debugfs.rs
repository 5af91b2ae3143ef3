// SPDX-License-Identifier: GPL-2.0

//! What root can look at below `/sys/kernel/debug/kho`.
//!
//! `in/fdt` and `out/fdt` are the root device trees, `in/sub_fdts` and `out/sub_fdts` have one
//! file for each blob, `out/scratch_phys` and `out/scratch_len` list the scratch regions. Nothing
//! depends on these files: that one cannot be made is not an error.
//!
//! C counterpart: `kernel/liveupdate/kexec_handover_debugfs.c` of mainline.

use kernel::debugfs::Dir;
use kernel::debugfs::File;
use kernel::fmt;
use kernel::prelude::*;

use crate::abi::addr::PhysAddr;
use crate::kernel::debugfs::Blob;
use crate::kernel::sync::StaticMutex;

use super::incoming;
use super::scratch;
use super::subtree;

type BlobFile = Pin<KBox<File<Blob>>>;
type ListFile = Pin<KBox<File<()>>>;

/// One of `in` and `out`, with the files that are in it.
struct Side {
    /// Where the root device tree is shown.
    dir: Dir,
    /// Where the blobs are shown.
    blobs: Dir,
    /// The files, each with the address of its blob.
    files: KVec<(PhysAddr, BlobFile)>,
}

impl Side {
    fn new(parent: &Dir, name: &CStr) -> Self {
        let dir = parent.subdir(name);
        Self {
            blobs: dir.subdir(c"sub_fdts"),
            dir,
            files: KVec::new(),
        }
    }

    fn show(&mut self, root: bool, name: &CStr, start: PhysAddr, len: usize) {
        let dir = if root { &self.dir } else { &self.blobs };
        let file = Blob::new(start, len)
            .ok_or(EINVAL)
            .and_then(|blob| KBox::pin_init(dir.read_binary_file(name, blob), GFP_KERNEL));
        let shown = file.and_then(|file| Ok(self.files.push((start, file), GFP_KERNEL)?));

        if let Err(error) = shown {
            pr_warn!("KHO: debugfs does not show '{}': {:?}\n", name, error);
        }
    }

    fn hide(&mut self, start: PhysAddr) {
        self.files.retain(|(other, _)| *other != start);
    }
}

/// All that is shown.
struct Shown {
    top: Dir,
    out: Side,
    incoming: Option<Side>,
    /// The list of scratch regions, twice: addresses and lengths.
    _scratch: Option<(ListFile, ListFile)>,
}

static SHOWN: StaticMutex<Option<Shown>> = StaticMutex::new(c"kho_debugfs", None);

fn scratch_phys(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    scratch::regions()
        .iter()
        .try_for_each(|region| writeln!(f, "{:#x}", region.addr))
}

fn scratch_len(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    scratch::regions()
        .iter()
        .try_for_each(|region| writeln!(f, "{:#x}", region.size))
}

fn scratch_files(dir: &Dir) -> Result<(ListFile, ListFile)> {
    Ok((
        KBox::pin_init(
            dir.read_callback_file(c"scratch_phys", (), &scratch_phys),
            GFP_KERNEL,
        )?,
        KBox::pin_init(
            dir.read_callback_file(c"scratch_len", (), &scratch_len),
            GFP_KERNEL,
        )?,
    ))
}

/// Makes the directories.
pub(super) fn start() {
    if !cfg!(CONFIG_KEXEC_HANDOVER_DEBUGFS) {
        return;
    }
    let top = Dir::new(c"kho");
    let out = Side::new(&top, c"out");

    *SHOWN.lock() = Some(Shown {
        _scratch: scratch_files(&out.dir).ok(),
        out,
        top,
        incoming: None,
    });
}

/// Shows the root device tree for the next kernel.
pub(super) fn show_out_root(start: PhysAddr, len: usize) {
    if let Some(shown) = SHOWN.lock().as_mut() {
        shown.out.show(true, c"fdt", start, len);
    }
}

/// Shows a blob for the next kernel.
pub(super) fn show_out_blob(name: &CStr, start: PhysAddr, len: usize) {
    if let Some(shown) = SHOWN.lock().as_mut() {
        shown.out.show(false, name, start, len);
    }
}

/// No longer shows a blob for the next kernel.
pub(super) fn hide_out_blob(start: PhysAddr) {
    if let Some(shown) = SHOWN.lock().as_mut() {
        shown.out.hide(start);
    }
}

/// Shows what came from the previous kernel.
pub(super) fn show_in() {
    let (Some(root), Some(shown)) = (incoming::root(), &mut *SHOWN.lock()) else {
        return;
    };
    let mut side = Side::new(&shown.top, c"in");
    let bytes = root.bytes();

    side.show(
        true,
        c"fdt",
        crate::kernel::direct_map::phys_of(bytes.as_ptr()),
        bytes.len(),
    );
    for node in root.children() {
        let (Some(name), Ok(blob), Ok(size)) = (
            root.name(node),
            root.u64(node, subtree::BLOB),
            root.u64(node, subtree::BLOB_SIZE),
        ) else {
            pr_warn!("KHO: a subtree of the previous kernel has no valid address or size\n");
            continue;
        };
        side.show(false, name, PhysAddr::new(blob), size as usize);
    }
    shown.incoming = Some(side);
}
