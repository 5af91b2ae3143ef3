// SPDX-License-Identifier: GPL-2.0

//! `/dev/liveupdate`: one agent at a time makes sessions and gets them back.

use kernel::fs::File;
use kernel::miscdevice::MiscDevice;
use kernel::miscdevice::MiscDeviceOptions;
use kernel::miscdevice::MiscDeviceRegistration;
use kernel::prelude::*;
use kernel::sync::atomic::AtomicFlag;
use kernel::sync::atomic::Full;
use kernel::sync::atomic::Release;

use crate::kernel::sync::StaticMutex;

use super::incoming;
use super::name::SessionName;
use super::session;
use super::uapi;
use super::uapi::Argument;

/// Whether someone has the device open.
static OPEN: AtomicFlag = AtomicFlag::new(false);

/// The device. Who has it open needs nothing of his own: he is the only one.
struct Device;

#[vtable]
impl MiscDevice for Device {
    type Ptr = ();

    /// `EBUSY` if someone has the device open, `ENOMEM` if there is no memory for what came from the previous
    /// kernel.
    fn open(_: &File, _: &MiscDeviceRegistration<Self>) -> Result {
        if OPEN.cmpxchg(false, true, Full).is_err() {
            return Err(EBUSY);
        }
        incoming::read_sessions().inspect_err(|_| OPEN.store(false, Release))
    }

    fn release((): (), _: &File) {
        OPEN.store(false, Release);
    }

    fn ioctl((): (), _: &File, cmd: u32, arg: usize) -> Result<isize> {
        let nr = uapi::number(cmd);
        if nr > uapi::RETRIEVE_SESSION {
            return Err(EINVAL);
        }
        let argument = Argument::new(arg)?;
        if cmd != uapi::command(nr) {
            return Err(ENOTTY);
        }
        let mut request: uapi::OpenSession = argument.read()?;
        let name = SessionName::new(&request.name);

        let tell = |fd| {
            request.fd = fd;
            argument.write(&request)
        };

        if nr == uapi::CREATE_SESSION {
            uapi::give_fd(|| session::create(name.ok_or(EINVAL)?), tell)?;
        } else {
            // No session has a name that is none.
            uapi::give_fd(|| incoming::retrieve(&name.ok_or(ENOENT)?), tell)?;
        }
        Ok(0)
    }
}

/// The registration, for as long as the kernel runs.
static REGISTRATION: StaticMutex<Option<Pin<KBox<MiscDeviceRegistration<Device>>>>> =
    StaticMutex::new(c"luo_device", None);

/// Makes the device appear.
pub(super) fn start() -> Result {
    let options = MiscDeviceOptions {
        name: c"liveupdate",
    };
    let registration = KBox::pin_init(MiscDeviceRegistration::register(options), GFP_KERNEL)?;

    *REGISTRATION.lock() = Some(registration);
    Ok(())
}
