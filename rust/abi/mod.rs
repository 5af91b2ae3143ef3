// SPDX-License-Identifier: GPL-2.0

//! What one kernel leaves in memory for the next.
//!
//! One file per format. Everything here mirrors a C header of
//! `include/linux/kho/abi/`, which is the source of truth: each structure's size and the offset of each
//! of its fields are asserted at compile time, here as numbers, for the host, and in the kernel's
//! `abi_check` against the header.
//!
//! All integers are in the byte order of the machine; both kernels run on the same one.
//! Nothing in here allocates, and nothing trusts what it describes: the validation of these
//! structures is in `logic`.

pub mod addr;
pub mod block;
pub mod kho;
pub mod luo;
pub mod memblock;
pub mod memfd;
pub mod metadata;
pub mod pci;
pub mod vfio_pci;

/// Binary logarithm of the page size in bytes.
///
/// The page size is part of the ABI: a live update between kernels that differ in it is not
/// supported.
#[cfg(CONFIG_ARM64_16K_PAGES)]
pub const PAGE_SHIFT: u32 = 14;
/// Binary logarithm of the page size in bytes.
#[cfg(CONFIG_ARM64_64K_PAGES)]
pub const PAGE_SHIFT: u32 = 16;
/// Binary logarithm of the page size in bytes.
///
/// The page size is part of the ABI: a live update between kernels that differ in it is not
/// supported.
#[cfg(not(any(CONFIG_ARM64_16K_PAGES, CONFIG_ARM64_64K_PAGES)))]
pub const PAGE_SHIFT: u32 = 12;

/// Page size in bytes.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

/// Asserts the size of a structure and the offset of each of its fields.
macro_rules! assert_layout {
    ($ty:ty, $size:expr, { $($field:ident: $offset:expr),+ $(,)? }) => {
        const _: () = {
            assert!(::core::mem::size_of::<$ty>() == $size);
            $(assert!(::core::mem::offset_of!($ty, $field) == $offset);)+
        };
    };
}
pub(crate) use assert_layout;
