// SPDX-License-Identifier: GPL-2.0

//! What is handed over of PCI devices, and what a kernel makes of it when it is damaged.
//!
//! A device that cannot be had as it was is an ordinary one: it reaches no memory on its own, and whoever opens
//! it can work with it. The machine boots in any case.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use lu_vm::Bdf;
use lu_vm::Debugger;
use lu_vm::Device;
use lu_vm::Devices;
use lu_vm::Direction;
use lu_vm::Handover;
use lu_vm::LiveUpdate;
use lu_vm::PciEntry;
use lu_vm::PciTable;
use lu_vm::Program;
use lu_vm::TestResult;
use lu_vm::Transcript;
use lu_vm::run_at_jump;

/// A slot that comes first, and one that comes second: devices behind it are on buses with higher numbers.
const FIRST: u8 = 4;
const SECOND: u8 = 5;

/// Page-aligned, and far above the memory of any guest.
const OUTSIDE_MEMORY: u64 = 1 << 46;

/// Where a block has its count: behind the address of the next block.
const COUNT: u64 = 8;

/// A device by itself, and one behind a switch.
fn apart() -> Devices {
    Devices::behind_iommu()
        .with(FIRST, Device::Edu)
        .with(SECOND, Device::Switch(vec![Device::Edu]))
}

/// A live update with all edu devices of the machine.
fn update(name: &str, devices: Devices) -> LiveUpdate {
    LiveUpdate::new(name, Direction::RustToRust)
        .program(Program::ours("vfio_bad_handover"))
        .devices(devices)
        .cmdline("nokaslr")
}

/// Does one, with `act` being done on the way.
fn update_with<A>(name: &str, devices: Devices, act: A) -> Result<Transcript>
where
    A: FnOnce(&Handover, &mut Debugger) -> Result<()>,
{
    run_at_jump(&update(name, devices), act)
}

/// The root port in the first slot.
fn first_port() -> Bdf {
    Bdf {
        domain: 0,
        bdf: u16::from(FIRST) << 3,
    }
}

/// The devices in the order in which the program has preserved them.
fn preserved_in_order(seen: &Transcript) -> Result<Vec<Bdf>> {
    seen.boots()[0]
        .iter()
        .filter_map(|line| line.split("# device at ").nth(1))
        .map(Bdf::parse)
        .collect()
}

/// The devices that the program has preserved, those on lower buses first.
fn preserved(seen: &Transcript) -> Result<Vec<Bdf>> {
    let mut devices = preserved_in_order(seen)?;
    devices.sort_unstable();
    Ok(devices)
}

/// Whether the program says this of a device in the second kernel.
fn says(seen: &Transcript, device: Bdf, what: &str) -> bool {
    let line = format!("# {device}: {what}");
    seen.boots()[1].iter().any(|found| found.contains(&line))
}

/// The device behind the switch: no other entry of the table is on a bus with so high a number.
fn behind_switch(table: &PciTable) -> Result<Bdf> {
    let devices = table.entries.iter().map(|entry| entry.bdf);
    devices.max().context("the table is empty")
}

/// The bridge right above a device behind the switch, whose ports each have the next bus.
fn bridge_above(table: &PciTable, device: Bdf) -> Result<PciEntry> {
    let mut entries = table.entries.iter().copied();
    entries
        .find(|entry| entry.bdf.bus() + 1 == device.bus())
        .context("no bridge is right above the device")
}

/// Has devices reach memory on their own, as another implementation may hand them over.
fn make_running(table: &PciTable, debugger: &mut Debugger) -> Result<()> {
    for entry in table.entries.iter().filter(|entry| entry.bdf.bus() > 0) {
        entry.bdf.make_bus_master(debugger)?;
    }
    Ok(())
}

/// What became of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was kept for its owner, who retrieved it.
    Retrieved,
    /// Anybody can have it, and its owner has not got it.
    Ordinary,
}

/// Checks what the program says of a device in the second kernel.
fn check_fate(seen: &Transcript, device: Bdf, fate: Fate) -> Result<()> {
    let says = |what: &str| says(seen, device, what);
    match fate {
        Fate::Retrieved => {
            ensure!(says("is reserved"), "{device} was not kept for its owner");
            ensure!(
                says("retrieved and works"),
                "{device} was not given to its owner"
            );
        }
        Fate::Ordinary => {
            ensure!(says("is ordinary"), "{device} is of no use to anybody");
            ensure!(
                !says("retrieved and works"),
                "{device} was given to two owners"
            );
        }
    }
    ensure!(
        says("can be preserved again"),
        "{device} cannot be preserved again"
    );
    Ok(())
}

/// Whether a device reached memory on its own before anybody had asked it to.
fn runs(seen: &Transcript, device: Bdf) -> bool {
    says(seen, device, "reaches memory on its own")
}

/// Damages what is handed over of devices that are running. Checks that the kernel says `complaint`, and what
/// becomes of the device by itself and of the one behind the switch.
fn damage<A>(name: &str, act: A, complaint: &str, fates: [Fate; 2]) -> TestResult
where
    A: FnOnce(&Handover, &PciTable, &mut Debugger) -> Result<()>,
{
    let seen = update_with(name, apart(), |handover, debugger| {
        let table = PciTable::read(handover, debugger)?;
        make_running(&table, debugger)?;
        act(handover, &table, debugger)
    })?;
    let devices = preserved(&seen)?;
    let complains = |line: &String| line.contains(complaint);
    let check = || {
        ensure!(
            devices.len() == 2,
            "{} devices were preserved",
            devices.len()
        );
        ensure!(
            seen.boots()[1].iter().any(complains),
            "no line of the log says {complaint:?}"
        );
        for (device, fate) in devices.iter().zip(fates) {
            check_fate(&seen, *device, fate)?;
            ensure!(
                runs(&seen, *device) == (fate == Fate::Retrieved),
                "{device} reaches memory on its own: {}",
                runs(&seen, *device)
            );
        }
        Ok(())
    };
    check().map_err(|error| anyhow::anyhow!("{name}: {error}\n{}", seen.tail()))?;
    Ok(())
}

/// A device that is taken out while no kernel looks. Its owner may wait for it; nobody else loses anything.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn a_device_taken_out_between_the_kernels_is_waited_for() -> TestResult {
    let name = "a_device_taken_out_between_the_kernels_is_waited_for";
    let seen = update_with(name, apart(), |_, debugger| first_port().unplug(debugger))?;
    let devices = preserved(&seen)?;
    let check = || {
        let [gone, other] = devices[..] else {
            anyhow::bail!("{} devices were preserved", devices.len());
        };
        ensure!(
            says(&seen, gone, "not retrieved: -11"),
            "{gone} was retrieved, or is given up"
        );
        ensure!(!says(&seen, gone, "is reserved"), "{gone} is still there");
        check_fate(&seen, other, Fate::Retrieved)
    };
    check().map_err(|error| anyhow::anyhow!("{name}: {error}\n{}", seen.tail()))?;
    Ok(())
}

/// A device that the second kernel does not find while it boots, as the bus is missing that it is on. Its owner
/// asks too early, and gets it in the end.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn a_device_that_is_found_late_can_be_asked_for_again() -> TestResult {
    let name = "a_device_that_is_found_late_can_be_asked_for_again";
    let seen = update_with(name, apart(), |_, debugger| {
        first_port().take_bus_numbers(debugger)
    })?;
    let devices = preserved(&seen)?;
    let check = || {
        let [late, other] = devices[..] else {
            anyhow::bail!("{} devices were preserved", devices.len());
        };
        ensure!(!says(&seen, late, "is reserved"), "{late} was found early");
        ensure!(says(&seen, late, "is awaited"), "{late} is given up");
        ensure!(says(&seen, late, "was found late"), "{late} was not found");
        ensure!(
            says(&seen, late, "retrieved and works"),
            "{late} was not given to its owner"
        );
        check_fate(&seen, other, Fate::Retrieved)
    };
    check().map_err(|error| anyhow::anyhow!("{name}: {error}\n{}", seen.tail()))?;
    Ok(())
}

/// What the table must hold: bridges and devices by the number of preserved devices that need them.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn bridges_are_handed_over_with_the_devices_that_need_them() -> TestResult {
    let name = "bridges_are_handed_over_with_the_devices_that_need_them";
    let devices = Devices::behind_iommu()
        .with(FIRST, Device::Edu)
        .with(SECOND, Device::Switch(vec![Device::Edu, Device::Edu]));
    let mut found = None;
    let seen = update_with(name, devices, |handover, debugger| {
        let table = PciTable::read(handover, debugger)?;
        make_running(&table, debugger)?;
        found = Some(table);
        Ok(())
    })?;
    let table = found.context("nobody looked at the table")?;
    let check = || {
        let mut counts: Vec<u16> = table.entries.iter().map(|entry| entry.count).collect();
        counts.sort_unstable();
        // Two root ports, an upstream and two downstream ports, three devices. Of those the root port and
        // the upstream port of the switch serve two devices.
        ensure!(
            counts == [1, 1, 1, 1, 1, 1, 2, 2],
            "the table holds {:?}",
            table.entries
        );
        ensure!(
            table.count as usize == table.entries.len(),
            "the table counts {} devices",
            table.count
        );
        for device in preserved(&seen)? {
            ensure!(
                table.entry(device)?.count == 1,
                "{device} is counted more than once"
            );
            check_fate(&seen, device, Fate::Retrieved)?;
            ensure!(runs(&seen, device), "{device} was stopped");
        }
        Ok(())
    };
    check().map_err(|error| anyhow::anyhow!("{name}: {error}\n{}", seen.tail()))?;
    Ok(())
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_table_of_another_version() -> TestResult {
    damage(
        "damaged_table_of_another_version",
        |_, table, debugger| debugger.write_physical(table.header, &2u32.to_le_bytes()),
        "is of version 2",
        [Fate::Ordinary; 2],
    )
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_table_outside_memory() -> TestResult {
    damage(
        "damaged_table_outside_memory",
        |handover, _, debugger| {
            let field = handover.flb_field(debugger, "pci")?;
            debugger.write_physical_u64(field, OUTSIDE_MEMORY)
        },
        "the table of preserved devices",
        [Fate::Ordinary; 2],
    )
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_table_whose_chain_is_outside_memory() -> TestResult {
    damage(
        "damaged_table_whose_chain_is_outside_memory",
        |_, table, debugger| debugger.write_physical_u64(table.first_block_field(), OUTSIDE_MEMORY),
        "cannot be read",
        [Fate::Ordinary; 2],
    )
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_table_whose_chain_is_not_preserved() -> TestResult {
    damage(
        "damaged_table_whose_chain_is_not_preserved",
        |_, table, debugger| {
            // Where every PC has its kernel, or something before it.
            debugger.write_physical_u64(table.first_block_field(), 0x100_0000)
        },
        "cannot be read",
        [Fate::Ordinary; 2],
    )
}

/// Whoever had such a device would have it write where it did before.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn running_devices_that_nobody_knows_and_cannot_be_reset_get_no_driver() -> TestResult {
    let name = "running_devices_that_nobody_knows_and_cannot_be_reset_get_no_driver";
    // What resets one of them by their bus would reset the other.
    let devices = Devices::behind_iommu().with(FIRST, Device::TwoEdus);
    let seen = update_with(name, devices, |handover, debugger| {
        let table = PciTable::read(handover, debugger)?;
        make_running(&table, debugger)?;
        debugger.write_physical_u64(table.first_block_field(), OUTSIDE_MEMORY)
    })?;
    let devices = preserved(&seen)?;
    let check = || {
        ensure!(
            devices.len() == 2,
            "{} devices were preserved",
            devices.len()
        );
        for device in devices {
            ensure!(
                says(&seen, device, "gets no driver: -19"),
                "{device} got a driver"
            );
            ensure!(!runs(&seen, device), "{device} reaches memory on its own");
        }
        Ok(())
    };
    check().map_err(|error| anyhow::anyhow!("{name}: {error}\n{}", seen.tail()))?;
    Ok(())
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_table_whose_chain_is_a_circle() -> TestResult {
    damage(
        "damaged_table_whose_chain_is_a_circle",
        |_, table, debugger| debugger.write_physical_u64(table.first_block, table.first_block),
        "cannot be read",
        [Fate::Ordinary; 2],
    )
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_table_with_an_absurd_count() -> TestResult {
    damage(
        "damaged_table_with_an_absurd_count",
        |_, table, debugger| debugger.write_physical_u64(table.first_block + COUNT, u64::MAX),
        "cannot be read",
        [Fate::Ordinary; 2],
    )
}

/// A count that only the header has wrong costs nothing.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_number_of_devices() -> TestResult {
    damage(
        "damaged_number_of_devices",
        |_, table, debugger| debugger.write_physical(table.header + 4, &77u32.to_le_bytes()),
        "the previous kernel counts 77",
        [Fate::Retrieved; 2],
    )
}

#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_entry_of_a_device_that_nobody_needs() -> TestResult {
    damage(
        "damaged_entry_of_a_device_that_nobody_needs",
        |_, table, debugger| {
            let device = behind_switch(table)?;
            table.entry(device)?.set_count(debugger, 0)
        },
        "the previous kernel counts",
        [Fate::Retrieved, Fate::Ordinary],
    )
}

/// A bridge that more devices are said to need than there are is never finished. Whoever binds its driver anew
/// must not cut off what is behind it.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_count_of_a_bridge_costs_nothing_behind_it() -> TestResult {
    const TOO_MANY: u16 = 9;
    let name = "damaged_count_of_a_bridge_costs_nothing_behind_it";
    let test = update(name, apart()).cmdline("bridges=anew");
    let mut damaged = None;
    let seen = run_at_jump(&test, |handover, debugger| {
        let table = PciTable::read(handover, debugger)?;
        let bridge = bridge_above(&table, behind_switch(&table)?)?;
        damaged = Some(bridge.bdf);
        bridge.set_count(debugger, TOO_MANY)
    })?;
    let bridge = damaged.context("nobody looked at the table")?;
    let log_says = |what: &str| {
        let line = format!("PCI: {bridge}: {what}");
        seen.boots()[1].iter().any(|found| found.contains(&line))
    };
    let check = || {
        ensure!(
            log_says("was preserved, but nobody took it over"),
            "{bridge} was finished"
        );
        for what in ["was reset", "gets no driver"] {
            ensure!(!log_says(what), "{bridge} {what}");
        }
        for device in preserved(&seen)? {
            check_fate(&seen, device, Fate::Retrieved)?;
            ensure!(
                says(&seen, device, "works behind bridges bound anew"),
                "{device} was cut off"
            );
        }
        Ok(())
    };
    check().map_err(|error| anyhow::anyhow!("{name}: {error}\n{}", seen.tail()))?;
    Ok(())
}

/// A device is there twice, and a bridge above it is not.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_entry_of_a_device_that_is_there_twice() -> TestResult {
    damage(
        "damaged_entry_of_a_device_that_is_there_twice",
        |_, table, debugger| {
            let device = behind_switch(table)?;
            bridge_above(table, device)?.rename(debugger, device)
        },
        "twice",
        [Fate::Retrieved, Fate::Ordinary],
    )
}

/// The domain is part of the name: the same numbers in another domain are another device.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_entry_of_a_device_in_another_domain() -> TestResult {
    damage(
        "damaged_entry_of_a_device_in_another_domain",
        |_, table, debugger| {
            let device = behind_switch(table)?;
            let elsewhere = Bdf {
                domain: device.domain + 0x1_0000,
                ..device
            };
            table.entry(device)?.rename(debugger, elsewhere)
        },
        "cannot be retrieved",
        [Fate::Retrieved, Fate::Ordinary],
    )
}

/// A device that has moved to another slot: its old one is empty.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_entry_of_a_device_in_another_slot() -> TestResult {
    damage(
        "damaged_entry_of_a_device_in_another_slot",
        |_, table, debugger| {
            let device = behind_switch(table)?;
            let elsewhere = Bdf {
                bdf: device.bdf + 8,
                ..device
            };
            table.entry(device)?.rename(debugger, elsewhere)
        },
        "cannot be retrieved",
        [Fate::Retrieved, Fate::Ordinary],
    )
}

/// Where the file says which device it is of is no memory. That device is of no use to anybody until the next
/// live update or reboot, as it belongs to a file that cannot be had; all else works.
#[test]
#[ignore = "needs a kernel with VFIO: `make test-vfio` has it"]
fn damaged_file_outside_memory() -> TestResult {
    let name = "damaged_file_outside_memory";
    let seen = update_with(name, apart(), |handover, debugger| {
        let field = handover.first_file_data_field(debugger)?;
        debugger.write_physical_u64(field, OUTSIDE_MEMORY)
    })?;
    let devices = preserved_in_order(&seen)?;
    let check = || {
        let [damaged, other] = devices[..] else {
            anyhow::bail!("{} devices were preserved", devices.len());
        };
        ensure!(
            says(&seen, damaged, "is reserved"),
            "{damaged} was given to a stranger"
        );
        ensure!(
            says(&seen, damaged, "not retrieved"),
            "{damaged} was retrieved"
        );
        check_fate(&seen, other, Fate::Retrieved)
    };
    check().map_err(|error| anyhow::anyhow!("{name}: {error}\n{}", seen.tail()))?;
    Ok(())
}
