// SPDX-License-Identifier: GPL-2.0

//! PCI devices across a live update.
//!
//! Which devices are preserved is up to the handlers of their files: they [`preserve`] a device with
//! the file that represents it, and [`finish`] it in the next kernel. What is kept here is what the
//! PCI core must know meanwhile, so that it does not disturb a device that is still running: where
//! preserved devices are, and which bridges lead there. It is the FLB `pci`, see
//! [`crate::abi::pci`].
//!
//! In the kernel that preserves, a device and the bridges above it go into the table ([`outgoing`]).
//! They are left as they are when devices are shut down, but for those that are to be handed over
//! idle: they are reset then, when nothing can stop the kexec any more, so that giving it up loses
//! nothing.
//!
//! In the next kernel ([`incoming`], [`hooks`]) the devices of the table are *incoming* until they are
//! finished. Bridges keep their bus numbers, ACS controls and ARI forwarding; only drivers that know
//! how to take a device over are bound to it.
//!
//! The table is input. A device of which it cannot be true what it says is an ordinary one again, and
//! is reset before a driver gets it. If the table cannot be read at all nobody knows which devices
//! those are, but every other one was told to stop before the kexec: whatever may still reach memory
//! is treated so.
//!
//! # Locks
//!
//! [`STATE`] comes before those of LUO's FLBs; the callbacks of the FLB, which run under one, never
//! take it. Neither is held while the lock of PCI scanning is waited for, which the PCI core holds when
//! it calls.
//!
//! C counterpart: `drivers/pci/liveupdate.c` of the series "PCI: liveupdate: PCI core support for
//! Live Update", whose bytes in memory these are. That panics where this goes on.

use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::atomic::AtomicFlag;
use kernel::sync::atomic::Relaxed;
use kernel::sync::Arc;
use kernel::sync::Mutex;

use crate::abi::pci::Address;
use crate::abi::pci::COMPATIBLE;
use crate::kernel::liveupdate::flb;
use crate::kernel::liveupdate::flb::Shared;
use crate::kernel::pci::Device;
use crate::kernel::sync::StaticMutex;

#[allow(unsafe_code, reason = "entry points for C")]
mod exports;
mod hooks;
mod incoming;
mod outgoing;

/// What all calls agree on.
struct State {
    /// Devices are being shut down for the next kernel: what is preserved stays so.
    frozen: bool,
}

static STATE: StaticMutex<State> = StaticMutex::new(c"pci_liveupdate", State { frozen: false });

/// Whether there may be incoming devices.
static HAS_INCOMING: AtomicFlag = AtomicFlag::new(false);

/// Whether there ever were any. Never cleared: numbers of buses must not change between the two passes
/// of a scan, which may run while the last device is being finished.
static HAD_INCOMING: AtomicFlag = AtomicFlag::new(false);

/// Preserved devices as a whole.
struct Devices;

static DEVICES: Shared<Devices> = Shared::new(Devices);

impl flb::Flb for Devices {
    const COMPATIBLE: &'static CStr = COMPATIBLE;

    type Outgoing = Arc<Mutex<outgoing::Table>>;
    type Incoming = Arc<Mutex<incoming::Table>>;

    fn preserve(&self) -> Result<flb::Outgoing<Self::Outgoing>> {
        let table = outgoing::Table::new()?;

        Ok(flb::Outgoing {
            data: table.data(),
            object: Arc::pin_init(new_mutex!(table, "pci::outgoing"), GFP_KERNEL)?,
        })
    }

    fn unpreserve(&self, outgoing: flb::Outgoing<Self::Outgoing>) {
        let devices = outgoing.object.lock().devices();

        if devices > 0 {
            pr_err!("PCI: {devices} devices were never unpreserved by their drivers\n");
        }
    }

    fn retrieve(&self, data: u64) -> Result<Self::Incoming> {
        let table = incoming::read(data)?;
        let object = Arc::pin_init(new_mutex!(table, "pci::incoming"), GFP_KERNEL)?;

        HAS_INCOMING.store(true, Relaxed);
        HAD_INCOMING.store(true, Relaxed);
        Ok(object)
    }

    fn finish(&self, object: Self::Incoming) {
        // From here on no device is incoming, whatever is noted with it.
        HAS_INCOMING.store(false, Relaxed);
        incoming::report_unfinished(&object.lock());
    }
}

/// Preserves `device` and the bridges above it.
///
/// `EINVAL` for a virtual function, or once the kexec has begun; `EBUSY` if it is preserved already;
/// `ENOENT` if no preserved file depends on the table; `ENOMEM` or `ENOSPC` if the table cannot grow.
/// Nothing has changed then.
fn preserve(device: &Device) -> Result {
    let state = STATE.lock();
    let outgoing = DEVICES.outgoing()?;
    let table = outgoing.get();

    if state.frozen {
        pr_warn!(
            "PCI: {}: cannot be preserved: the kexec has begun\n",
            device.address()
        );
        return Err(EINVAL);
    }
    let mut table = table.lock();

    table.add_path(device)
}

/// Takes [`preserve`] back.
fn unpreserve(device: &Device) {
    let state = STATE.lock();

    if state.frozen {
        pr_warn!(
            "PCI: {}: stays preserved: the kexec has begun\n",
            device.address()
        );
        return;
    }
    match DEVICES.outgoing() {
        Ok(table) => table.get().lock().remove_path(device),
        Err(error) => pr_warn!(
            "PCI: {}: cannot be unpreserved: there is no table ({error:?})\n",
            device.address()
        ),
    }
}

/// Notes that the driver is through with `device`, which came from the previous kernel.
fn finish(device: &Device) {
    let _state = STATE.lock();

    match DEVICES.incoming() {
        Ok(table) => table.get().lock().finish_path(device),
        Err(error) => pr_warn!(
            "PCI: {}: cannot be finished: there is no table ({error:?})\n",
            device.address()
        ),
    }
}

/// Whether a device that is found at `address` may be the one that the previous kernel preserved there.
fn is_expected(address: Address) -> bool {
    DEVICES
        .incoming()
        .is_ok_and(|table| table.get().lock().keeps(address))
}

/// Whether the previous kernel preserved `device` and nobody has finished it.
fn is_incoming(device: &Device) -> bool {
    HAS_INCOMING.load(Relaxed) && device.incoming().load(Relaxed)
}
