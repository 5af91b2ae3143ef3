// SPDX-License-Identifier: GPL-2.0

//! The handler of vfio-pci's files, `vfio-pci-v1`.
//!
//! Preserved is which device the file is of. It is handed over idle: its owner has switched its
//! interrupts off before the kexec, and it is reset, if it can be, at the last moment. Until then it
//! goes on as it was, out of its owner's reach; if the kexec is given up, the owner has it back and
//! nothing was lost.
//!
//! In the next kernel the file that is retrieved is like one from opening the character device: it
//! wants to be bound to an iommufd. Nobody else can open the device before the session is finished, and
//! that it can be only once the file was retrieved.
//!
//! C counterpart: `vfio_pci_liveupdate.c` of the series "vfio/pci: Base Live Update support for VFIO",
//! which resets the device when it is frozen.

use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

use crate::abi::vfio_pci::DeviceSer;
use crate::abi::vfio_pci::COMPATIBLE;
use crate::kernel::kho_memory::take;
use crate::kernel::kho_memory::Preserved;
use crate::kernel::liveupdate::FileHandler;
use crate::kernel::liveupdate::Handler;
use crate::kernel::liveupdate::Incoming;
use crate::kernel::liveupdate::Outgoing;
use crate::kernel::liveupdate::Registration;
use crate::kernel::vfio::depend_on_pci;
use crate::kernel::vfio::is_cdev_bound;
use crate::kernel::vfio::Device;
use crate::kernel::vfio::Found;
use crate::kernel::vfio::PreservedDevice;

/// The handler. All of its state is in the files.
pub(crate) struct VfioPci;

static HANDLER: Handler<VfioPci> = Handler::new(VfioPci);

/// What there is of a preserved file, until it is dropped.
pub(crate) struct Kept {
    _device: PreservedDevice,
    _memory: Preserved,
}

/// Makes the handler known to the orchestrator; [`None`] if live update is off.
pub(crate) fn register() -> Result<Option<Registration<VfioPci>>> {
    let registration = match HANDLER.register_for_module() {
        Err(error) if error == EOPNOTSUPP => return Ok(None),
        result => result?,
    };

    depend_on_pci(&HANDLER)?;
    Ok(Some(registration))
}

#[vtable]
impl FileHandler for VfioPci {
    const COMPATIBLE: &'static CStr = COMPATIBLE;

    type State = KBox<Kept>;

    fn can_preserve(&self, file: &File) -> bool {
        is_cdev_bound(file)
            && Device::from_file(file)
                .is_some_and(|device| !device.is_virtual() && !device.is_intel_display())
    }

    // A device is driven by one file at a time.
    fn id(file: &File) -> usize {
        Device::from_file(file).map_or(0, Device::id)
    }

    fn preserve(&self, file: &File) -> Result<Outgoing<Self::State>> {
        let device = Device::from_file(file).ok_or(EINVAL)?;
        let preserved = device.preserve()?;
        let memory = Preserved::new(&DeviceSer::new(device.address()))?;

        Ok(Outgoing {
            data: memory.phys(),
            state: KBox::new(
                Kept {
                    _device: preserved,
                    _memory: memory,
                },
                GFP_KERNEL,
            )?,
        })
    }

    fn unpreserve(&self, _file: &File, outgoing: Outgoing<Self::State>) {
        drop(outgoing);
    }

    fn freeze(&self, file: &File, _data: &mut u64, _state: &mut Kept) -> Result {
        let device = Device::from_file(file).ok_or(EINVAL)?;
        let address = device.address();
        let locked = device.lock();

        if locked.has_interrupts() {
            pr_err!("{address}: cannot be frozen: its interrupts are still configured\n");
            return Err(EINVAL);
        }
        if !locked.is_in_d0() {
            pr_err!("{address}: cannot be frozen: it is in a low-power state\n");
            return Err(EINVAL);
        }
        locked.freeze();
        Ok(())
    }

    fn unfreeze(&self, file: &File, _data: u64, _state: &mut Kept) {
        if let Some(device) = Device::from_file(file) {
            device.lock().thaw();
            pr_info!(
                "{}: is its user's again as it was; nothing was lost\n",
                device.address()
            );
        }
    }

    fn retrieve(&self, data: u64) -> Result<ARef<File>> {
        let ser: DeviceSer = take(data).inspect_err(|error| {
            pr_err!("what the previous kernel says of a device at {data:#x} cannot be read ({error:?})\n");
        })?;
        let address = ser.address();
        let Some(device) = Found::at(address) else {
            pr_err!("{address}: cannot be retrieved: it is gone, or vfio-pci is not its driver\n");
            return Err(ENODEV);
        };

        if !device.is_incoming() {
            pr_err!("{address}: cannot be retrieved: it became an ordinary device\n");
            return Err(ENODEV);
        }
        device.open()
    }

    fn can_finish(&self, incoming: Incoming<'_>) -> bool {
        matches!(incoming, Incoming::Retrieved(_))
    }

    fn finish(&self, incoming: Incoming<'_>) {
        if let Incoming::Retrieved(file) = incoming {
            if let Some(device) = Device::from_file(file) {
                device.finish();
            }
        }
    }
}
