// SPDX-License-Identifier: GPL-2.0

//! Allocations that fail while devices are preserved and retrieved.

use lu_vm::Device;
use lu_vm::Devices;
use lu_vm::Direction;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::Splats;
use lu_vm::TestResult;

/// The slots in selftests/liveupdate/pci.h.
const SWITCH: u8 = 5;
const MORE: u8 = 8;

/// Devices that selftests/liveupdate/vfio_faults.c retrieves.
const DEVICES: u8 = 18;

#[test]
#[ignore = "needs a kernel with VFIO and fault injection: `make test-vfio-debug` has it"]
fn failed_allocations_leave_devices_as_they_are() -> TestResult {
    let devices = Devices::behind_iommu().with(SWITCH, Device::Switch(vec![Device::Edu]));
    let devices =
        (MORE..MORE + DEVICES).fold(devices, |devices, slot| devices.with(slot, Device::Edu));
    // A page that cannot be had is a matter for a backtrace, too.
    let splats = Splats::none_allowed().allow("Call Trace:");
    LiveUpdate::new(
        "failed_allocations_leave_devices_as_they_are",
        Direction::RustToRust,
    )
    .program(Program::ours("vfio_faults"))
    .devices(devices)
    .quiet()
    .splats(splats)
    .ktap_after_update(1)
    .run()?;
    Ok(())
}
