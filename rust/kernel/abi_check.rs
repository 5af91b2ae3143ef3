// SPDX-License-Identifier: GPL-2.0

//! That [`crate::abi`] is what the C headers say, which are the source of truth.
//!
//! Nothing here exists at run time.

use core::mem::offset_of;
use core::mem::size_of;

use crate::abi::block::BlockHeader;
use crate::abi::kho;
use crate::abi::luo;
use crate::abi::memfd;
use crate::abi::metadata;
#[cfg(CONFIG_PCI_LIVEUPDATE)]
use crate::abi::pci;

use super::bindings;

/// Asserts that a structure of C has the size of its mirror, and each field the offset.
macro_rules! same_layout {
    ($c:ident, $rust:ty, { $($c_field:ident: $field:ident),+ $(,)? }) => {
        const _: () = {
            assert!(size_of::<bindings::$c>() == size_of::<$rust>());
            $(assert!(offset_of!(bindings::$c, $c_field) == offset_of!($rust, $field));)+
        };
    };
}

same_layout!(kho_vmalloc, kho::KhoVmalloc, {
    first: first, total_pages: total_pages, flags: flags, order: order,
});
same_layout!(kho_vmalloc_chunk, kho::VmallocChunk, { hdr: next, phys: phys });
same_layout!(kho_scratch, kho::KhoScratch, { addr: addr, size: size });
same_layout!(kho_block_header_ser, BlockHeader, { next: next, count: count });
same_layout!(kho_kexec_metadata, metadata::KexecMetadata, {
    version: version, previous_release: previous_release, kexec_count: kexec_count,
});
same_layout!(luo_ser, luo::LuoSer, {
    compatible: compatible, liveupdate_num: liveupdate_num, sessions_pa: sessions_pa,
    flbs_pa: flbs_pa,
});
same_layout!(luo_file_ser, luo::FileSer, { compatible: compatible, data: data, token: token });
same_layout!(luo_file_set_ser, luo::FileSetSer, { files: files, count: count });
same_layout!(luo_session_ser, luo::SessionSer, { name: name, file_set_ser: file_set });
same_layout!(luo_flb_header_ser, luo::FlbHeaderSer, { pgcnt: pgcnt, count: count });
same_layout!(luo_flb_ser, luo::FlbSer, { name: name, data: data, count: count });
// Bit fields are one unit to bindgen: `pfn` in the low 52 bits of it, `flags` above.
same_layout!(memfd_luo_folio_ser, memfd::FolioSer, { _bitfield_1: pfn_flags, index: index });
same_layout!(memfd_luo_extent_ser, memfd::ExtentSer, {
    _bitfield_1: pfn_flags, index: index, count: count,
});
#[cfg(CONFIG_PCI_LIVEUPDATE)]
same_layout!(pci_ser, pci::PciSer, {
    version: version, nr_devices: nr_devices, devices: devices,
});
#[cfg(CONFIG_PCI_LIVEUPDATE)]
same_layout!(pci_dev_ser, pci::PciDevSer, { domain: domain, bdf: bdf, refcount: refcount });
// Bindgen cannot say what a packed structure with a union in it is; `ffi/memfd.c` compares that.

/// Whether a string of C, with its NUL, is `text`.
const fn is(c: &[u8], text: &[u8]) -> bool {
    if c.len() != text.len() + 1 || c[text.len()] != 0 {
        return false;
    }
    let mut at = 0;
    while at < text.len() {
        if c[at] != text[at] {
            return false;
        }
        at += 1;
    }
    true
}

const _: () = {
    assert!(is(
        bindings::KHO_FDT_COMPATIBLE,
        kho::FDT_COMPATIBLE.as_bytes()
    ));
    assert!(is(
        bindings::KHO_FDT_MEMORY_MAP_PROP_NAME,
        kho::MEMORY_MAP_PROP.as_bytes()
    ));
    assert!(is(
        bindings::KHO_SUB_TREE_PROP_NAME,
        kho::SUBTREE_PROP.as_bytes()
    ));
    assert!(is(
        bindings::KHO_SUB_TREE_SIZE_PROP_NAME,
        kho::SUBTREE_SIZE_PROP.as_bytes()
    ));
    assert!(is(
        bindings::KHO_METADATA_NODE_NAME,
        metadata::NODE_NAME.as_bytes()
    ));
    assert!(is(bindings::LUO_KHO_ENTRY_NAME, luo::ENTRY_NAME.as_bytes()));
    assert!(is(bindings::LUO_ABI_COMPATIBLE, luo::COMPATIBLE.as_bytes()));
    assert!(is(
        bindings::MEMFD_LUO_FH_COMPATIBLE,
        memfd::COMPATIBLE.to_bytes()
    ));
    assert!(is(
        bindings::MEMFD_LUO_EXTENTS_COMPATIBLE,
        memfd::COMPATIBLE_EXTENTS.to_bytes()
    ));
    #[cfg(CONFIG_PCI_LIVEUPDATE)]
    assert!(is(
        bindings::PCI_LUO_FLB_COMPATIBLE,
        pci::COMPATIBLE.to_bytes()
    ));
    #[cfg(CONFIG_PCI_LIVEUPDATE)]
    assert!(bindings::PCI_LUO_FLB_VERSION == pci::VERSION);
    assert!(bindings::KHO_KEXEC_METADATA_VERSION == metadata::VERSION);
    assert!(bindings::LIVEUPDATE_SESSION_NAME_LENGTH as usize == luo::SESSION_NAME_LEN);
};
