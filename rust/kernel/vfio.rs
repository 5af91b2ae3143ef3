// SPDX-License-Identifier: GPL-2.0

//! PCI devices that userspace drives through VFIO, as far as a live update has to do with them.
//!
//! C headers: [`include/linux/vfio.h`](srctree/include/linux/vfio.h),
//! [`include/linux/vfio_pci_core.h`](srctree/include/linux/vfio_pci_core.h),
//! [`include/linux/pci_liveupdate.h`](srctree/include/linux/pci_liveupdate.h)

use core::ops::Deref;
use core::ptr::NonNull;

use kernel::error::from_err_ptr;
use kernel::error::to_result;
use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::types::NotThreadSafe;
use kernel::types::Opaque;

use crate::abi::pci::Address;
use crate::abi::vfio_pci::MAX_VECTORS;

use super::bindings;
use super::liveupdate::FileHandler;
use super::liveupdate::Handler;
use super::pci;
use super::pci::Jump;

/// A device of vfio-pci.
///
/// C counterpart: `struct vfio_device`, within a `struct vfio_pci_core_device`.
///
/// # Invariants
///
/// It is registered for as long as there is a reference to this, and its driver is vfio-pci.
#[repr(transparent)]
pub(crate) struct Device(Opaque<bindings::vfio_device>);

impl Device {
    /// The device that `file` is of, if that is one of vfio-pci.
    pub(crate) fn from_file(file: &File) -> Option<&Self> {
        // SAFETY: The file is open.
        let device = unsafe { bindings::lu_vfio_pci_from_file(file.as_ptr()) };

        // INVARIANT: The C function looks at the driver, and a file keeps its device registered.
        // SAFETY: `Opaque` has the layout of what it wraps.
        NonNull::new(device).map(|device| unsafe { &*device.as_ptr().cast::<Self>() })
    }

    /// The same, if it is through `file` that the device is driven: it was made by opening the character
    /// device, or by retrieving it, and is bound to an iommufd.
    pub(crate) fn driven_by(file: &File) -> Option<&Self> {
        // SAFETY: The file is open, and of a VFIO device.
        Self::from_file(file).filter(|_| unsafe { bindings::lu_vfio_is_cdev_bound(file.as_ptr()) })
    }

    fn as_raw(&self) -> *mut bindings::vfio_device {
        self.0.get()
    }

    /// The PCI device that it is.
    pub(crate) fn pci(&self) -> &pci::Device {
        // SAFETY: By the type invariant; a registered device has its parent.
        unsafe { pci::Device::from_raw(bindings::lu_vfio_pci_dev(self.as_raw())) }
    }

    /// A number that no other device has.
    pub(crate) fn id(&self) -> usize {
        self.as_raw() as usize
    }

    /// Whether it is a display of Intel's, which has regions of its own.
    pub(crate) fn is_intel_display(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::lu_vfio_is_intel_display(self.as_raw()) }
    }

    /// Preserves the device itself, and what is above it. May sleep.
    ///
    /// C counterpart, which lists the errors: `pci_liveupdate_preserve()`.
    pub(crate) fn preserve(&self) -> Result<PreservedDevice> {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::pci_liveupdate_preserve(self.pci().as_raw()) })?;
        Ok(PreservedDevice {
            // SAFETY: By the type invariant.
            device: unsafe { bindings::pci_dev_get(self.pci().as_raw()) },
        })
    }

    /// Ends the live update of the device and of what is above it. May sleep.
    pub(crate) fn finish(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::pci_liveupdate_finish(self.pci().as_raw()) };
    }

    /// Keeps everyone else from the device: userspace, and other parts of VFIO. May sleep.
    pub(crate) fn lock(&self) -> Locked<'_> {
        // SAFETY: By the type invariant.
        unsafe { bindings::lu_vfio_pci_lock(self.as_raw()) };
        // INVARIANT: Just taken.
        Locked {
            device: self,
            _not_send: NotThreadSafe,
        }
    }
}

/// That a device is preserved, until this is dropped.
///
/// # Invariants
///
/// `pci_liveupdate_preserve()` was called for the device, to which this has a reference.
pub(crate) struct PreservedDevice {
    device: *mut bindings::pci_dev,
}

// SAFETY: A reference to a device and what is done with it are tied to no thread.
unsafe impl Send for PreservedDevice {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for PreservedDevice {}

impl Drop for PreservedDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe {
            bindings::pci_liveupdate_unpreserve(self.device);
            bindings::pci_dev_put(self.device);
        }
    }
}

/// A device that only this thread has access to.
///
/// # Invariants
///
/// This thread holds the locks of `lu_vfio_pci_lock()`.
pub(crate) struct Locked<'a> {
    device: &'a Device,
    _not_send: NotThreadSafe,
}

/// Interrupts that are configured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupts {
    /// None.
    None,
    /// Those that can be masked, and that the device then remembers: messages by MSI-X, or a line.
    Maskable,
    /// Others, of which this is the name.
    Other(&'static str),
}

/// What of a device could not be given back to its user.
pub(crate) struct Lost(u32);

impl Lost {
    /// Mappings of its BARs through dma-bufs.
    pub(crate) fn has_mappings(&self) -> bool {
        self.0 & bindings::lu_vfio_lost_LU_VFIO_LOST_DMABUFS != 0
    }

    /// Writes to it by ioeventfds, if there were any meanwhile.
    pub(crate) fn has_writes(&self) -> bool {
        self.0 & bindings::lu_vfio_lost_LU_VFIO_LOST_IOEVENTFDS != 0
    }
}

impl Locked<'_> {
    /// Whether someone waits for the device to be given up.
    pub(crate) fn is_leaving(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::lu_vfio_pci_is_leaving(self.device.as_raw()) }
    }

    /// Whether it is fully powered, and its user does not let it sleep.
    pub(crate) fn is_in_d0(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::lu_vfio_pci_is_in_d0(self.device.as_raw()) }
    }

    /// Whether VFIO resets it when it is closed.
    pub(crate) fn reset_works(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::lu_vfio_pci_reset_works(self.device.as_raw()) }
    }

    /// The interrupts that its user has configured.
    pub(crate) fn interrupts(&self) -> Interrupts {
        // SAFETY: By the type invariants.
        let irqs = unsafe { bindings::lu_vfio_pci_interrupts(self.device.as_raw()) };

        match irqs {
            bindings::lu_vfio_irqs_LU_VFIO_IRQS_NONE => Interrupts::None,
            bindings::lu_vfio_irqs_LU_VFIO_IRQS_MSIX | bindings::lu_vfio_irqs_LU_VFIO_IRQS_INTX => {
                Interrupts::Maskable
            }
            bindings::lu_vfio_irqs_LU_VFIO_IRQS_MSI => Interrupts::Other("MSI"),
            _ => Interrupts::Other("INTx without a switch"),
        }
    }

    /// Masks the interrupts. Notes in `pending` which vectors interrupted without their user having
    /// seen it, and returns how many bits may be set.
    pub(crate) fn mask(&self, pending: &mut [u64; MAX_VECTORS / 64]) -> u32 {
        // SAFETY: By the type invariants; the bitmap is as long as the function expects.
        unsafe { bindings::lu_vfio_pci_mask(self.device.as_raw(), pending.as_mut_ptr().cast()) }
    }

    /// Undoes [`mask`](Self::mask). What is pending comes now.
    pub(crate) fn unmask(&self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::lu_vfio_pci_unmask(self.device.as_raw()) };
    }

    /// Takes the device away from its user: file operations give `EIO`, mappings of its memory and
    /// dma-bufs are gone. `jump` happens to it when the kexec can no longer be given up.
    pub(crate) fn freeze(&self, jump: Jump) {
        // SAFETY: By the type invariants.
        unsafe {
            bindings::lu_vfio_pci_freeze(self.device.as_raw());
            bindings::pci_liveupdate_at_jump(self.device.pci().as_raw(), jump as u32);
        }
    }

    /// Undoes [`freeze`](Self::freeze), and returns what could not be undone.
    pub(crate) fn thaw(&self) -> Lost {
        // SAFETY: By the type invariants.
        unsafe {
            bindings::pci_liveupdate_at_jump(self.device.pci().as_raw(), Jump::Leave as u32);
            Lost(bindings::lu_vfio_pci_thaw(self.device.as_raw()))
        }
    }

    /// Prepares a device that runs for being opened, which must not have happened yet: it will not be
    /// reset, and events are raised for the vectors in `pending`, of which `nr_vectors` are input.
    pub(crate) fn take_over(
        &self,
        reset_works: bool,
        pending: &[u64; MAX_VECTORS / 64],
        nr_vectors: u32,
    ) -> Result {
        // SAFETY: By the type invariants; the bitmap is as long as the function expects, which looks at
        // no more bits than that.
        to_result(unsafe {
            bindings::lu_vfio_pci_take_over(
                self.device.as_raw(),
                reset_works,
                pending.as_ptr().cast(),
                nr_vectors,
            )
        })
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::lu_vfio_pci_unlock(self.device.as_raw()) };
    }
}

/// What has become of a device that the previous kernel preserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is there and nobody has finished it, whatever its driver is.
    Incoming,
    /// The PCI core has not found it yet, and will know it by the table if it does.
    Awaited,
    /// It was removed, finished or rejected, or is not in the table: nothing that is found there is it.
    Gone,
}

/// What has become of the device at `address`. May sleep.
pub(crate) fn presence_at(address: Address) -> Presence {
    // SAFETY: There is nothing to promise.
    match unsafe { bindings::lu_vfio_presence_at(address.domain, address.bdf) } {
        bindings::lu_vfio_presence_LU_VFIO_INCOMING => Presence::Incoming,
        bindings::lu_vfio_presence_LU_VFIO_AWAITED => Presence::Awaited,
        _ => Presence::Gone,
    }
}

/// A device that was looked for, and is kept registered.
///
/// # Invariants
///
/// This has a registration of the device, which is one of vfio-pci.
pub(crate) struct Found(NonNull<bindings::vfio_device>);

impl Found {
    /// Looks for the device of vfio-pci at `address`.
    pub(crate) fn at(address: Address) -> Option<Self> {
        // SAFETY: There is nothing to promise.
        let device = unsafe { bindings::lu_vfio_pci_find(address.domain, address.bdf) };

        // INVARIANT: The C function looks for no others, and passes the registration on.
        NonNull::new(device).map(Self)
    }

    /// Makes a file for a device of the previous kernel. It is as from opening the character device.
    pub(crate) fn open(&self) -> Result<ARef<File>> {
        // SAFETY: By the type invariant.
        let file =
            from_err_ptr(unsafe { bindings::vfio_device_liveupdate_cdev_open(self.0.as_ptr()) })?;
        let file = NonNull::new(file).ok_or(ENOMEM)?;

        // SAFETY: The file is new and comes with one reference.
        Ok(unsafe { ARef::from_raw(file.cast()) })
    }
}

impl Deref for Found {
    type Target = Device;

    fn deref(&self) -> &Device {
        // INVARIANT: By that of this type.
        // SAFETY: `Opaque` has the layout of what it wraps.
        unsafe { &*self.0.as_ptr().cast::<Device>() }
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::vfio_device_put_registration(self.0.as_ptr()) };
    }
}

/// Makes the files of `handler`, which is registered, depend on the table of preserved PCI devices.
///
/// C counterpart: `pci_liveupdate_register_flb()`.
pub(crate) fn depend_on_pci<T: FileHandler>(handler: &'static Handler<T>) -> Result {
    // SAFETY: The handler is in a static. One that is not registered is refused.
    to_result(unsafe { bindings::pci_liveupdate_register_flb(handler.as_raw()) })
}
