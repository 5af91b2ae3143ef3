// SPDX-License-Identifier: GPL-2.0

//! Lets `pr_*!` print where a PCI device is.

use kernel::fmt;

use crate::abi::pci::Address;

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
