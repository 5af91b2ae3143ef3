// SPDX-License-Identifier: GPL-2.0

//! Files of vfio-pci across a live update: an assigned device survives as itself.
//!
//! A module of its own beside vfio-pci, which does not know of it. It keeps the device away from
//! everyone but the process that had it: the PCI core leaves a preserved device where it is (see
//! `handlers/pci.rs`), VFIO opens it for nobody until the file is retrieved.

#![deny(unsafe_code)]

use ::kernel::prelude::*;

pub mod abi;
#[path = "handlers/vfio_pci.rs"]
mod handler;
#[path = "kernel/module.rs"]
#[allow(unsafe_code, reason = "this is where it lives")]
mod kernel;

module! {
    type: VfioPciLiveupdate,
    name: "vfio_pci_liveupdate",
    description: "Live update of devices assigned by vfio-pci",
    license: "GPL",
    params: {
        running: u8 {
            default: 0,
            description: "1: hand devices over as they run. The next kernel has to know vfio-pci-running-v1",
        },
    },
}

/// What the module is while it is loaded.
struct VfioPciLiveupdate {
    /// Not there with live update off.
    _registered: Option<handler::Registered>,
}

impl ::kernel::Module for VfioPciLiveupdate {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _registered: handler::register()?,
        })
    }
}
