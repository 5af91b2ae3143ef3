// SPDX-License-Identifier: GPL-2.0

//! Devices that a driver in userspace has, by VFIO, before and after a live update.

use anyhow::Context;
use anyhow::Result;
use lu_vm::Build;
use lu_vm::Device;
use lu_vm::Devices;
use lu_vm::Direction;
use lu_vm::Image;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::SingleKernel;
use lu_vm::TestResult;
use lu_vm::Transcript;
use lu_vm::Variant;

/// The slots in selftests/liveupdate/pci.h.
const ROOM: u8 = 3;
const EDU: u8 = 4;
const SWITCH: u8 = 5;
const NVME: u8 = 6;
/// The first of those for more edu devices.
const MORE: u8 = 8;

/// The cases in selftests/liveupdate/vfio_pci.c.
const DRIVE_CASES: usize = 5;

/// The cases in selftests/liveupdate/vfio_preserve.c.
const PRESERVE_CASES: usize = 12;

/// The cases in selftests/liveupdate/vfio_abort.c.
const ABORT_CASES: usize = 2;

/// The cases in selftests/liveupdate/vfio_bridges.c.
const BRIDGES_CASES: usize = 3;

/// The cases in selftests/liveupdate/vfio_retrieve.c, and the devices that they take besides the first three.
const RETRIEVE_CASES: usize = 16;
const MORE_DEVICES: u8 = 11;

/// The cases in selftests/liveupdate/vfio_running.c, and the controllers that they take besides the first.
const RUNNING_CASES: usize = 10;
const MORE_CONTROLLERS: u8 = 6;
const LINE: u8 = MORE + 6;
const EARLY: u8 = MORE + 7;
const SAME_LINE: u8 = MORE + 10;

/// The cases in selftests/liveupdate/vfio_running_abort.c.
const RUNNING_ABORT_CASES: usize = 1;

/// Has a kernel hand devices over as they run, or not.
const RUNNING: &str = "vfio_pci_liveupdate.running=1";
const IDLE: &str = "vfio_pci_liveupdate.running=0";

/// One edu device behind a root port, one behind a switch.
fn two_edus() -> Devices {
    Devices::behind_iommu()
        .with(EDU, Device::Edu)
        .with(SWITCH, Device::Switch(vec![Device::Edu]))
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
    let devices = two_edus().with(NVME, Device::Nvme(0));
    live_update(name, "vfio_pci", devices, DRIVE_CASES).run()?;
    Ok(())
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn what_can_be_preserved_and_given_back() -> TestResult {
    let image = Image {
        variant: Variant::Rust,
        build: Build::A,
    };
    SingleKernel::new(
        "what_can_be_preserved_and_given_back",
        image,
        Program::ours("vfio_preserve"),
    )
    .devices(two_edus().with(NVME, Device::Nvme(1)))
    .quiet()
    .ktap(PRESERVE_CASES)
    .run()?;
    Ok(())
}

/// ENOENT without a table, EBUSY the second time, EINVAL for a virtual function and once the kexec has begun.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn the_pci_core_refuses_what_it_cannot_preserve() -> TestResult {
    let name = "the_pci_core_refuses_what_it_cannot_preserve";
    let seen = live_update(
        name,
        "pci_refusals",
        two_edus().with(NVME, Device::Nvme(1)),
        1,
    )
    .run()?;
    let said: Vec<&str> = seen.boots()[0]
        .iter()
        .filter_map(|line| line.split(": preserve").nth(1))
        .collect();
    let expected = [
        ": -2, then -2",
        ": 0, then -16",
        ": -22, then -22",
        " at shutdown: -22",
        " at shutdown: -22",
    ];
    if said != expected {
        Err(anyhow::anyhow!(
            "{name}: the driver got {said:?}, not {expected:?}"
        ))?;
    }
    Ok(())
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn aborted_live_updates_give_devices_back() -> TestResult {
    let name = "aborted_live_updates_give_devices_back";
    let devices = two_edus().with(NVME, Device::Nvme(0));
    live_update(name, "vfio_abort", devices, ABORT_CASES).run()?;
    Ok(())
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn preserved_devices_are_for_their_owners_only() -> TestResult {
    let name = "preserved_devices_are_for_their_owners_only";
    let devices = two_edus().with(NVME, Device::Nvme(0));
    let devices =
        (MORE..MORE + MORE_DEVICES).fold(devices, |devices, slot| devices.with(slot, Device::Edu));
    live_update(name, "vfio_retrieve", devices, RETRIEVE_CASES).run()?;
    Ok(())
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn bridges_above_a_preserved_device_route_as_before() -> TestResult {
    let name = "bridges_above_a_preserved_device_route_as_before";
    let devices = Devices::behind_iommu()
        .with(NVME, Device::Nvme(0))
        .with(MORE, Device::Nvme(0));
    live_update(name, "vfio_bridges", devices, BRIDGES_CASES).run()?;
    Ok(())
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn a_preserved_device_is_not_reset_by_its_bus() -> TestResult {
    let name = "a_preserved_device_is_not_reset_by_its_bus";
    let devices = Devices::behind_iommu().with(EDU, Device::TwoEdus);
    live_update(name, "vfio_siblings", devices, 1).run()?;
    Ok(())
}

/// Has a kernel number the buses anew, as firmware may do that did not number them.
const ASSIGN_BUSES: &str = "pci=assign-busses";

/// The address of the device, which the program says, in the kernel before (0) or after (1).
fn device_address(seen: &Transcript, boot: usize) -> Result<String> {
    let line = seen.boots()[boot]
        .iter()
        .find_map(|line| line.split("device at ").nth(1));
    Ok(line
        .context("the program does not say where the device is")?
        .to_owned())
}

/// Live-updates into a kernel that numbers buses anew, on a machine where those have gaps between them.
fn renumber(name: &str, preserve: &str) -> Result<Transcript> {
    let devices = Devices::behind_iommu()
        .with(ROOM, Device::Room(4))
        .with(SWITCH, Device::Switch(vec![Device::Edu]));
    live_update(name, "vfio_bus_numbers", devices, 1)
        .cmdline(preserve)
        .cmdline_after(ASSIGN_BUSES)
        .run()
}

/// Shows that the next test would fail if nothing were done about it.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn bus_numbers_change_where_no_device_is_preserved() -> TestResult {
    let name = "bus_numbers_change_where_no_device_is_preserved";
    let seen = renumber(name, "preserve=no")?;
    let (before, after) = (device_address(&seen, 0)?, device_address(&seen, 1)?);
    if before == after {
        Err(anyhow::anyhow!("{name}: the device stayed at {before}"))?;
    }
    Ok(())
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn bus_numbers_above_a_preserved_device_stay() -> TestResult {
    let name = "bus_numbers_above_a_preserved_device_stay";
    let seen = renumber(name, "preserve=yes")?;
    let (before, after) = (device_address(&seen, 0)?, device_address(&seen, 1)?);
    if before != after {
        Err(anyhow::anyhow!(
            "{name}: the device moved from {before} to {after}"
        ))?;
    }
    Ok(())
}

/// The domain is part of where a device is.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn a_device_in_another_domain_is_found_again() -> TestResult {
    let name = "a_device_in_another_domain_is_found_again";
    let devices = Devices::behind_iommu().with_second_domain(Device::Edu);
    let seen = live_update(name, "vfio_bus_numbers", devices, 1).run()?;
    let (before, after) = (device_address(&seen, 0)?, device_address(&seen, 1)?);
    if before != after || !before.starts_with("0001:") {
        Err(anyhow::anyhow!(
            "{name}: the device was {before} and is {after}"
        ))?;
    }
    Ok(())
}

/// A live update of controllers that run, and of edu devices, one of which shares its line with another.
fn running(name: &str) -> LiveUpdate {
    let devices = Devices::behind_iommu()
        .with(EDU, Device::Edu)
        .with(LINE, Device::Edu)
        .with(EARLY, Device::Nvme(0))
        .with(SAME_LINE, Device::Edu)
        .with(NVME, Device::Nvme(0));
    let devices = (MORE..MORE + MORE_CONTROLLERS)
        .fold(devices, |devices, slot| devices.with(slot, Device::Nvme(0)));
    live_update(name, "vfio_running", devices, RUNNING_CASES).cmdline(RUNNING)
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn running_devices_go_on_and_are_heard() -> TestResult {
    running("running_devices_go_on_and_are_heard").run()?;
    Ok(())
}

/// The parameter says what a kernel writes, not what it reads.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn running_devices_are_taken_over_by_any_kernel() -> TestResult {
    let name = "running_devices_are_taken_over_by_any_kernel";
    running(name).cmdline_after(IDLE).run()?;
    Ok(())
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn aborted_live_updates_give_running_devices_back() -> TestResult {
    let name = "aborted_live_updates_give_running_devices_back";
    let devices = Devices::behind_iommu()
        .with(EDU, Device::Edu)
        .with(NVME, Device::Nvme(0))
        .with(MORE, Device::Edu);
    live_update(name, "vfio_running_abort", devices, RUNNING_ABORT_CASES)
        .cmdline(RUNNING)
        .run()?;
    Ok(())
}
