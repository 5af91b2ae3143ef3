// SPDX-License-Identifier: GPL-2.0

//! The handlers of vfio-pci's files.
//!
//! Preserved is which device the file is of, and in what state it is handed over: see [`format`]. From
//! the freeze on the device is out of its owner's reach, but goes on as it was until the kexec cannot
//! be given up any more. If it is, the owner has it back, and next to nothing was lost.
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

use core::marker::PhantomData;

use crate::kernel::kho_memory::take;
use crate::kernel::kho_memory::Preserved;
use crate::kernel::liveupdate::FileHandler;
use crate::kernel::liveupdate::Handler;
use crate::kernel::liveupdate::Incoming;
use crate::kernel::liveupdate::NotRetrieved;
use crate::kernel::liveupdate::Outgoing;
use crate::kernel::liveupdate::Registration;
use crate::kernel::vfio::depend_on_pci;
use crate::kernel::vfio::presence_at;
use crate::kernel::vfio::Device;
use crate::kernel::vfio::Found;
use crate::kernel::vfio::Presence;
use crate::kernel::vfio::PreservedDevice;

#[path = "vfio_pci/format.rs"]
mod format;

use self::format::Format;
use self::format::Idle;
use self::format::Running;

/// The handler of a format. All of its state is in the files.
pub(crate) struct VfioPci<F>(PhantomData<F>);

static IDLE: Handler<VfioPci<Idle>> = Handler::new(VfioPci(PhantomData));
static RUNNING: Handler<VfioPci<Running>> = Handler::new(VfioPci(PhantomData));

/// That the orchestrator knows the handlers, until this is dropped.
pub(crate) struct Registered {
    _idle: Registration<VfioPci<Idle>>,
    _running: Registration<VfioPci<Running>>,
}

/// Makes the handlers known to the orchestrator; [`None`] if live update is off.
pub(crate) fn register() -> Result<Option<Registered>> {
    let idle = match IDLE.register_for_module() {
        Err(error) if error == EOPNOTSUPP => return Ok(None),
        result => result?,
    };
    let running = RUNNING.register_for_module()?;

    depend_on_pci(&IDLE)?;
    depend_on_pci(&RUNNING)?;
    Ok(Some(Registered {
        _idle: idle,
        _running: running,
    }))
}

/// What there is of a preserved file, until it is dropped.
pub(crate) struct Kept<T> {
    _device: PreservedDevice,
    ser: Preserved<T>,
}

#[vtable]
impl<F: Format> FileHandler for VfioPci<F> {
    const COMPATIBLE: &'static CStr = F::COMPATIBLE;

    type State = KBox<Kept<F::Ser>>;

    fn can_preserve(&self, file: &File) -> bool {
        F::is_written()
            && Device::driven_by(file)
                .is_some_and(|device| !device.pci().is_virtual() && !device.is_intel_display())
    }

    // A device is driven by one file at a time.
    fn id(file: &File) -> usize {
        Device::from_file(file).map_or(0, Device::id)
    }

    fn preserve(&self, file: &File) -> Result<Outgoing<Self::State>> {
        let device = Device::from_file(file).ok_or(EINVAL)?;
        let preserved = device.preserve()?;
        let ser = Preserved::new(F::describe(device))?;

        Ok(Outgoing {
            data: ser.phys(),
            state: KBox::new(
                Kept {
                    _device: preserved,
                    ser,
                },
                GFP_KERNEL,
            )?,
        })
    }

    fn unpreserve(&self, _file: &File, outgoing: Outgoing<Self::State>) {
        drop(outgoing);
    }

    fn freeze(&self, file: &File, _data: &mut u64, kept: &mut Kept<F::Ser>) -> Result {
        let device = Device::from_file(file).ok_or(EINVAL)?;
        let address = device.pci().address();
        let locked = device.lock();

        if locked.is_leaving() {
            pr_err!("{address}: cannot be frozen: it is being removed, or its driver is\n");
            return Err(EBUSY);
        }
        if !locked.is_in_d0() {
            pr_err!("{address}: cannot be frozen: it is in a low-power state\n");
            return Err(EINVAL);
        }
        F::freeze(&locked, kept.ser.get_mut()).inspect_err(|_| {
            pr_err!("{address}: cannot be frozen: its interrupts are still configured\n");
        })
    }

    fn unfreeze(&self, file: &File, _data: u64, _kept: &mut Kept<F::Ser>) {
        let Some(device) = Device::from_file(file) else {
            return;
        };
        let locked = device.lock();
        let address = device.pci().address();
        let lost = F::unfreeze(&locked);

        pr_info!("{address}: is its user's again, as it was\n");
        if lost.has_mappings() {
            pr_warn!("{address}: mappings of its BARs by dma-bufs were lost, and have to be made again\n");
        }
        if lost.has_writes() {
            pr_warn!("{address}: what was written to it by ioeventfds meanwhile was lost\n");
        }
    }

    fn retrieve(&self, data: u64) -> Result<ARef<File>, NotRetrieved> {
        let ser = claim::<F>(data)?;
        let address = F::address(&ser);

        match open::<F>(&ser) {
            Ok(file) => {
                forget::<F>(data);
                Ok(file)
            }
            Err(error) if error == ENODEV => {
                forget::<F>(data);
                pr_err!(
                    "{address}: cannot be retrieved: it is gone, or became an ordinary device\n"
                );
                Err(NotRetrieved::Final(ENODEV))
            }
            Err(error) => {
                pr_warn!("{address}: cannot be retrieved yet ({error:?}): it has to be found, vfio-pci has to be its driver, and there has to be memory\n");
                Err(NotRetrieved::Later(EAGAIN))
            }
        }
    }

    fn can_finish(&self, incoming: Incoming<'_>) -> bool {
        match incoming {
            Incoming::Retrieved(file) => F::can_finish(file),
            Incoming::Waiting(_) | Incoming::Failed(_) => false,
        }
    }

    fn finish(&self, incoming: Incoming<'_>) {
        if let Incoming::Retrieved(file) = incoming {
            if let Some(device) = Device::from_file(file) {
                device.finish();
            }
        }
    }
}

/// What the previous kernel says at `data`, which stays known until it is [forgotten](forget): its
/// memory is freed by the first call, and userspace may have to ask again.
///
/// [`NotRetrieved::Later`] without memory, when nothing has been taken yet.
fn claim<F: Format>(data: u64) -> Result<F::Ser, NotRetrieved> {
    let mut claimed = F::claimed().lock();

    if let Some((_, ser)) = claimed.iter().find(|(known, _)| *known == data) {
        return Ok(*ser);
    }
    claimed
        .reserve(1, GFP_KERNEL)
        .map_err(|_| NotRetrieved::Later(EAGAIN))?;
    let ser = take(data).inspect_err(|error| {
        pr_err!(
            "what the previous kernel says of a device at {data:#x} cannot be read ({error:?})\n"
        );
    })?;
    claimed
        .push_within_capacity((data, ser))
        .map_err(|_| NotRetrieved::Later(EAGAIN))?;
    Ok(ser)
}

/// Forgets what was claimed.
fn forget<F: Format>(data: u64) {
    let mut claimed = F::claimed().lock();

    claimed.retain(|(known, _)| *known != data);
    if claimed.is_empty() {
        // Statics are not dropped when the module goes: leave no memory with them.
        *claimed = KVec::new();
    }
}

/// Opens the device that `ser` says. `ENODEV` if it is gone or not what it was; other errors may pass.
fn open<F: Format>(ser: &F::Ser) -> Result<ARef<File>> {
    let address = F::address(ser);

    match presence_at(address) {
        Presence::Incoming => {}
        Presence::Awaited => return Err(EAGAIN),
        Presence::Gone => return Err(ENODEV),
    }
    let device = Found::at(address).ok_or(EAGAIN)?;

    F::take_over(&device, ser)?;
    device.open()
}
