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

/// Compatible string of the handler of running devices (`VFIO_PCI_LUO_RUNNING_COMPATIBLE`).
pub const COMPATIBLE_RUNNING: &CStr = c"vfio-pci-running-v1";

/// The device can be reset on its own (`VFIO_PCI_LUO_RESET_WORKS`).
pub const RESET_WORKS: u16 = 1 << 0;

/// Most vectors that MSI-X knows (`VFIO_PCI_LUO_MAX_VECTORS`).
pub const MAX_VECTORS: usize = 2048;

/// The running device of a file (`struct vfio_pci_running_ser`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RunningSer {
    /// Number of the domain.
    pub domain: u32,
    /// As in [`Address`].
    pub bdf: u16,
    /// [`RESET_WORKS`], or zero.
    pub flags: u16,
    /// How many bits of `pending` may be set.
    pub nr_vectors: u32,
    /// Zero.
    pub reserved: u32,
    /// A bit for each MSI-X vector that interrupted, and whose user has not been told or has not looked.
    pub pending: [u64; MAX_VECTORS / 64],
}

assert_layout!(RunningSer, 272, {
    domain: 0,
    bdf: 4,
    flags: 6,
    nr_vectors: 8,
    reserved: 12,
    pending: 16,
});

impl RunningSer {
    /// The device at `address`, which has not interrupted.
    pub const fn new(address: Address) -> Self {
        Self {
            domain: address.domain,
            bdf: address.bdf,
            flags: 0,
            nr_vectors: 0,
            reserved: 0,
            pending: [0; MAX_VECTORS / 64],
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
