// SPDX-License-Identifier: GPL-2.0

//! VFIO and the handler of its files as modules.

use lu_vm::Build;
use lu_vm::Device;
use lu_vm::Devices;
use lu_vm::Image;
use lu_vm::Program;
use lu_vm::SingleKernel;
use lu_vm::TestResult;
use lu_vm::Variant;

/// The slot in selftests/liveupdate/pci.h.
const SWITCH: u8 = 5;

/// The cases in selftests/liveupdate/vfio_modules.c.
const CASES: usize = 3;

#[test]
#[ignore = "needs a kernel with VFIO in modules: `make test-vfio-modules` has it"]
fn modules_are_unloaded_and_loaded_again() -> TestResult {
    let image = Image {
        variant: Variant::Rust,
        build: Build::A,
    };
    SingleKernel::new(
        "modules_are_unloaded_and_loaded_again",
        image,
        Program::ours("vfio_modules"),
    )
    .devices(Devices::behind_iommu().with(SWITCH, Device::Switch(vec![Device::Edu])))
    .quiet()
    .ktap(CASES)
    .run()?;
    Ok(())
}
