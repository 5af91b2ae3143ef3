// SPDX-License-Identifier: GPL-2.0

//! Preserved PCI devices.
//!
//! C counterpart: `include/linux/kho/abi/pci.h`. The `data` of the FLB [`COMPATIBLE`] is the address
//! of a [`PciSer`]; its `devices` is a chain of blocks of [`PciDevSer`].

use core::ffi::CStr;
use core::fmt;

use zerocopy_derive::FromBytes;
use zerocopy_derive::Immutable;
use zerocopy_derive::IntoBytes;
use zerocopy_derive::KnownLayout;

use super::assert_layout;

/// Name of the FLB (`PCI_LUO_FLB_COMPATIBLE`).
pub const COMPATIBLE: &CStr = c"pci";

/// Version of what is behind it (`PCI_LUO_FLB_VERSION`).
pub const VERSION: u32 = 1;

/// Where a device is: its domain, also called segment, and its place in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Number of the domain.
    pub domain: u32,
    /// Bus in the upper 8 bits, device in the next 5, function in the last 3.
    pub bdf: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bdf } = *self;

        write!(
            f,
            "{domain:04x}:{:02x}:{:02x}.{}",
            bdf >> 8,
            bdf >> 3 & 0x1f,
            bdf & 7
        )
    }
}

/// A preserved device (`struct pci_dev_ser`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct PciDevSer {
    /// Number of the domain.
    pub domain: u32,
    /// As in [`Address`].
    pub bdf: u16,
    /// Preserved endpoints that need it: itself, or those below the bridge that it is. Zero stands
    /// for no device.
    pub refcount: u16,
}

assert_layout!(PciDevSer, 8, { domain: 0, bdf: 4, refcount: 6 });

impl PciDevSer {
    /// No device.
    pub const NONE: Self = Self {
        domain: 0,
        bdf: 0,
        refcount: 0,
    };

    /// Where it is.
    pub const fn address(&self) -> Address {
        Address {
            domain: self.domain,
            bdf: self.bdf,
        }
    }
}

/// All preserved devices (`struct pci_ser`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct PciSer {
    /// [`VERSION`].
    pub version: u32,
    /// Entries that are devices.
    pub nr_devices: u32,
    /// Physical address of the first block, or zero.
    pub devices: u64,
}

assert_layout!(PciSer, 16, { version: 0, nr_devices: 4, devices: 8 });
