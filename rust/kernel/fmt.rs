// SPDX-License-Identifier: GPL-2.0

//! Lets `pr_*!` print the types of `abi` and `logic`, which know only `core`.

use kernel::fmt;

/// Implements the kernel crate's `Display` by that of `core`.
macro_rules! forward {
    ($($ty:ty),+ $(,)?) => {
        $(impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        })+
    };
}

forward!(
    crate::abi::addr::Pfn,
    crate::abi::addr::PhysAddr,
    crate::logic::chain::ChainError,
    crate::logic::memfd::MemfdError,
    crate::logic::metadata::MetadataError,
    crate::logic::name::NameError,
    crate::logic::scratch::ScratchError,
    crate::logic::vmalloc::VmallocError,
    crate::logic::walk::Corrupt,
);

impl<const N: usize> fmt::Display for crate::logic::name::CStrField<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
