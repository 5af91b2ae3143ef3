// SPDX-License-Identifier: GPL-2.0

//! Devices that a driver in userspace has, by VFIO, before and after a live update.

use lu_vm::Device;
use lu_vm::Devices;
use lu_vm::Direction;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::TestResult;

/// The slots in selftests/liveupdate/vfio.h.
const EDU: u8 = 4;
const SWITCH: u8 = 5;

/// One edu device behind a root port, one behind a switch.
fn two_edus() -> Devices {
    Devices::behind_iommu()
        .with(EDU, Device::Edu)
        .with(SWITCH, Device::BehindSwitch(Box::new(Device::Edu)))
}

/// A program for `devices` and both kernels, with so many tests after the update.
fn live_update(name: &str, program: &str, devices: Devices, cases: usize) -> LiveUpdate {
    LiveUpdate::new(name, Direction::RustToRust)
        .program(Program::ours(program))
        .devices(devices)
        .quiet()
        .ktap_after_update(cases)
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn a_device_that_is_not_preserved_is_driven_again() -> TestResult {
    let name = "a_device_that_is_not_preserved_is_driven_again";
    live_update(name, "vfio_pci", two_edus(), 4).run()?;
    Ok(())
}
