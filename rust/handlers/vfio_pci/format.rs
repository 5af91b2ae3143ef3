// SPDX-License-Identifier: GPL-2.0

//! The states in which a device is handed over.
//!
//! [`Idle`], `vfio-pci-v1`: its owner has switched its interrupts off, and it is reset, if it can be, at
//! the last moment. This is the format of the series on the lists, and the default.
//!
//! [`Running`], `vfio-pci-running-v1`: it is not reset, and keeps what is in its registers. Its
//! interrupts are masked and it stops reaching memory, as nobody preserves what the IOMMU translates
//! for it. The next owner maps the memory again, makes it a bus master, and configures the interrupts.
//!
//! # That no interrupt is lost
//!
//! An interrupt is a message from the device, then an event for its user. Whichever of both has
//! happened when the user's process ends, the next one must hear of it:
//!
//! 1. All vectors are masked together, and stay so while MSI-X is enabled, across the kexec. What the
//!    device wants to send from now on stays in its pending bits; what it has sent has reached the
//!    eventfds once the handlers have run, which is waited for.
//! 2. A vector whose eventfd nobody has read, or whose pending bit is set, is noted for the next
//!    kernel. Bits that are set later stay with the device.
//! 3. In the next kernel, before a vector is unmasked, its pending bit is looked at again: unmasking
//!    has the device send the message and forget it, which goes nowhere if the device is no bus
//!    master.
//! 4. Only then is the eventfd signalled, for whatever was noted in the two places.
//!
//! An owner who makes the device a bus master first, and configures the interrupts then, hears of
//! everything. The other way round, what needs no memory may happen in between, and is not heard.
//!
//! A vector may be signalled once too often by this, which drivers cope with. MSI knows neither a mask
//! nor pending bits in most devices: with it configured, the freeze fails (`EINVAL`). A line that is
//! asserted stays so until the device is served; it needs but to be disabled until somebody handles it.

use kernel::fs::File;
use kernel::prelude::*;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

use crate::abi::pci::Address;
use crate::abi::vfio_pci::DeviceSer;
use crate::abi::vfio_pci::RunningSer;
use crate::abi::vfio_pci::COMPATIBLE;
use crate::abi::vfio_pci::COMPATIBLE_RUNNING;
use crate::abi::vfio_pci::RESET_WORKS;
use crate::kernel::pci::Jump;
use crate::kernel::sync::StaticMutex;
use crate::kernel::vfio::Device;
use crate::kernel::vfio::Found;
use crate::kernel::vfio::Interrupts;
use crate::kernel::vfio::Locked;
use crate::kernel::vfio::Lost;

/// What was read of files that were asked for and are not retrieved yet, by their data.
pub(crate) type Claimed<T> = StaticMutex<KVec<(u64, T)>>;

/// A state in which a device is handed over.
pub(crate) trait Format: Send + Sync + Sized + 'static {
    /// Compatible string of the handler.
    const COMPATIBLE: &'static CStr;

    /// What the next kernel is told.
    type Ser: Copy + FromBytes + IntoBytes + Immutable + Send + Sync + 'static;

    /// Whether files are written in this format.
    fn is_written() -> bool;

    /// Files that were asked for and are not retrieved yet.
    fn claimed() -> &'static Claimed<Self::Ser>;

    /// What can be said of a device when it is preserved.
    fn describe(device: &Device) -> Self::Ser;

    /// Where the device is.
    fn address(ser: &Self::Ser) -> Address;

    /// Takes the device away from its user, and says the rest. `EINVAL` if its interrupts are configured
    /// in a way that this cannot hand over.
    fn freeze(locked: &Locked<'_>, ser: &mut Self::Ser) -> Result;

    /// Undoes [`freeze`](Self::freeze).
    fn unfreeze(locked: &Locked<'_>) -> Lost;

    /// Prepares the device for being opened. `ser` is input.
    fn take_over(device: &Found, ser: &Self::Ser) -> Result;

    /// Whether the device of a file that was retrieved may become an ordinary one.
    fn can_finish(file: &File) -> bool;
}

/// Without interrupts, and reset.
pub(super) struct Idle;

impl Format for Idle {
    const COMPATIBLE: &'static CStr = COMPATIBLE;

    type Ser = DeviceSer;

    fn is_written() -> bool {
        !Running::is_written()
    }

    fn claimed() -> &'static Claimed<DeviceSer> {
        static CLAIMED: Claimed<DeviceSer> = Claimed::new(c"vfio_pci_idle", KVec::new());

        &CLAIMED
    }

    fn describe(device: &Device) -> DeviceSer {
        DeviceSer::new(device.pci().address())
    }

    fn address(ser: &DeviceSer) -> Address {
        ser.address()
    }

    fn freeze(locked: &Locked<'_>, _ser: &mut DeviceSer) -> Result {
        if locked.interrupts() != Interrupts::None {
            return Err(EINVAL);
        }
        locked.freeze(Jump::Reset);
        Ok(())
    }

    fn unfreeze(locked: &Locked<'_>) -> Lost {
        locked.thaw()
    }

    fn take_over(_device: &Found, _ser: &DeviceSer) -> Result {
        Ok(())
    }

    fn can_finish(_file: &File) -> bool {
        true
    }
}

/// As it is, but for what it can do to others.
pub(super) struct Running;

impl Format for Running {
    const COMPATIBLE: &'static CStr = COMPATIBLE_RUNNING;

    type Ser = RunningSer;

    fn is_written() -> bool {
        crate::module_parameters::running.value() != 0
    }

    fn claimed() -> &'static Claimed<RunningSer> {
        static CLAIMED: Claimed<RunningSer> = Claimed::new(c"vfio_pci_running", KVec::new());

        &CLAIMED
    }

    fn describe(device: &Device) -> RunningSer {
        RunningSer::new(device.pci().address())
    }

    fn address(ser: &RunningSer) -> Address {
        ser.address()
    }

    fn freeze(locked: &Locked<'_>, ser: &mut RunningSer) -> Result {
        if let Interrupts::Other(kind) = locked.interrupts() {
            pr_err!("{}: has {kind}, which cannot be masked\n", ser.address());
            return Err(EINVAL);
        }
        ser.flags = if locked.reset_works() { RESET_WORKS } else { 0 };
        // It may have been frozen, and thawed, before.
        ser.pending.fill(0);
        // Before the freeze: pending bits are in the device's memory.
        ser.nr_vectors = locked.mask(&mut ser.pending);
        locked.freeze(Jump::Stop);
        Ok(())
    }

    fn unfreeze(locked: &Locked<'_>) -> Lost {
        let lost = locked.thaw();

        locked.unmask();
        lost
    }

    fn take_over(device: &Found, ser: &RunningSer) -> Result {
        device
            .lock()
            .take_over(ser.flags & RESET_WORKS != 0, &ser.pending, ser.nr_vectors)
    }

    // An ordinary device is reset when it is opened, so it has to be before.
    fn can_finish(file: &File) -> bool {
        Device::driven_by(file).is_some()
    }
}
