// SPDX-License-Identifier: GPL-2.0

//! The preserved file of a VFIO PCI device.
//!
//! C counterpart: `include/linux/kho/abi/vfio_pci.h`.

use core::ffi::CStr;

use zerocopy_derive::FromBytes;
use zerocopy_derive::Immutable;
use zerocopy_derive::IntoBytes;
use zerocopy_derive::KnownLayout;

use super::assert_layout;
use super::pci::Address;

/// Compatible string of the handler (`VFIO_PCI_LUO_FH_COMPATIBLE`).
pub const COMPATIBLE: &CStr = c"vfio-pci-v1";

/// The device of a file (`struct vfio_pci_core_device_ser`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct DeviceSer {
    /// Number of the domain.
    pub domain: u32,
    /// As in [`Address`].
    pub bdf: u16,
}

assert_layout!(DeviceSer, 6, { domain: 0, bdf: 4 });

impl DeviceSer {
    /// The device at `address`.
    pub const fn new(address: Address) -> Self {
        Self {
            domain: address.domain,
            bdf: address.bdf,
        }
    }

    /// Where it is.
    pub const fn address(&self) -> Address {
        Address {
            domain: self.domain,
            bdf: self.bdf,
        }
    }
}
