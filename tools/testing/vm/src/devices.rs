// SPDX-License-Identifier: GPL-2.0

//! PCI devices that a guest may assign, behind an IOMMU.
//!
//! Each of them is behind a root port of its own, which has a slot of bus 0. Bus numbers are the guest's
//! affair, so programs in the guest know a device by the slot of its root port: see `pci.h` of the selftests.

use crate::acpi;

/// What it takes to translate DMA and interrupts in software, and to have slots of root ports looked after by
/// the kernel, as it is on real hosts, and not by the firmware.
const MACHINE: [&str; 6] = [
    "-machine",
    "q35,kernel-irqchip=split",
    "-device",
    "intel-iommu,intremap=on,caching-mode=on",
    "-global",
    "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
];

/// A q35 machine with an IOMMU.
#[derive(Clone, Debug)]
pub struct Devices {
    qemu_args: Vec<String>,
    second_domain: bool,
}

/// What is behind a root port.
#[derive(Clone, Debug)]
pub enum Device {
    /// Nothing, but room for so many buses: those after it get higher numbers.
    Room(u8),
    /// QEMU's device for teaching: DMA and interrupts by a handful of registers. It is a conventional PCI
    /// device, and knows no reset of its own.
    Edu,
    /// A PCIe switch, with a downstream port for each of these devices.
    Switch(Vec<Device>),
    /// Two edu devices, as functions of one slot: what resets one of them by their bus resets the other.
    TwoEdus,
    /// BARs to read and write; neither DMA nor interrupts.
    TestDevice,
    /// An NVMe disk that forgets what is written to it. It can reset itself, and has so many virtual functions.
    Nvme(u8),
}

impl Devices {
    /// The machine, with nothing to assign yet.
    pub fn behind_iommu() -> Self {
        Self {
            qemu_args: MACHINE.map(str::to_owned).to_vec(),
            second_domain: false,
        }
    }

    /// Adds a root port, in a slot of bus 0 that must be free, and a device behind it.
    pub fn with(mut self, slot: u8, device: Device) -> Self {
        let room = match device {
            Device::Room(buses) => format!(",bus-reserve={buses}"),
            _ => String::new(),
        };
        self.add(format!(
            "pcie-root-port,id=port{slot},bus=pcie.0,addr={slot:#x},chassis=1,slot={slot}{room}"
        ));
        self.put(slot, device, &format!("port{slot}"));
        self
    }

    /// Puts a device into PCI domain 1, and the IOMMU with it: it is the only one that can be assigned then.
    ///
    /// It is behind the root port in slot 0 of the domain's root bus, [`acpi::BUS`].
    pub fn with_second_domain(mut self, device: Device) -> Self {
        // An ID beyond those of slots.
        let port = 32;
        self.second_domain = true;
        self.add(format!(
            "pxb-pcie,id=domain1,bus=pcie.0,addr=0x1e,bus_nr={}",
            acpi::BUS
        ));
        self.add(format!(
            "pcie-root-port,id=port{port},bus=domain1,addr=0,chassis=1,slot={port}"
        ));
        self.put(port, device, &format!("port{port}"));
        self
    }

    /// What the kernel's initramfs must have.
    pub fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        if self.second_domain {
            acpi::tables().into()
        } else {
            Vec::new()
        }
    }

    /// What QEMU must be told.
    pub fn qemu_args(&self) -> &[String] {
        &self.qemu_args
    }

    /// What the kernel must be told.
    pub fn cmdline(&self) -> &'static str {
        if self.second_domain {
            // Or it looks for root buses of domain 0 that nobody has told it of, and finds that of domain 1.
            "intel_iommu=on pci=lastbus=0"
        } else {
            "intel_iommu=on"
        }
    }

    /// Puts a device on a bus.
    fn put(&mut self, slot: u8, device: Device, bus: &str) {
        match device {
            Device::Room(_) => {}
            Device::Edu => self.add(format!("edu,bus={bus}")),
            Device::TwoEdus => {
                // Whoever scans a slot starts with function 0, so that one comes last.
                for function in [1, 0] {
                    self.add(format!("edu,bus={bus},addr=0.{function},multifunction=on"));
                }
            }
            Device::TestDevice => self.add(format!("pci-testdev,bus={bus}")),
            Device::Nvme(functions) => self.put_nvme(slot, functions, bus),
            Device::Switch(devices) => {
                self.add(format!("x3130-upstream,id=up{slot},bus={bus}"));
                for (number, device) in devices.into_iter().enumerate() {
                    let port = format!("down{slot}-{number}");
                    // The root ports are chassis 1.
                    self.add(format!(
                        "xio3130-downstream,id={port},bus=up{slot},chassis={},slot={number}",
                        slot + 2
                    ));
                    self.put(slot, device, &port);
                }
            }
        }
    }

    fn put_nvme(&mut self, slot: u8, functions: u8, bus: &str) {
        let disk = format!("disk{slot}");
        self.qemu_args.extend([
            "-blockdev".to_owned(),
            format!("driver=null-co,node-name={disk},size=16777216,read-zeroes=on"),
        ]);
        let mut controller = format!("nvme,id=nvme{slot},serial={disk},bus={bus}");
        if functions > 0 {
            // Each is a controller of the same subsystem, with queues and interrupts from a pool.
            self.add(format!("nvme-subsys,id=subsystem{slot}"));
            controller.push_str(&format!(
                ",subsys=subsystem{slot},sriov_max_vfs={functions},sriov_vq_flexible={},\
                 sriov_vi_flexible={functions},max_ioqpairs={},msix_qsize={}",
                2 * functions,
                2 * functions + 2,
                functions + 2,
            ));
        }
        self.add(controller);
        self.add(format!("nvme-ns,drive={disk},bus=nvme{slot}"));
    }

    fn add(&mut self, device: String) {
        self.qemu_args.extend(["-device".to_owned(), device]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_behind_a_switch_are_three_ports_down() {
        let switch = Device::Switch(vec![Device::Edu, Device::TestDevice]);
        let arguments = Devices::behind_iommu()
            .with(5, switch)
            .qemu_args()
            .join(" ");
        for part in [
            "pcie-root-port,id=port5,bus=pcie.0,addr=0x5",
            "x3130-upstream,id=up5,bus=port5 ",
            "xio3130-downstream,id=down5-0,bus=up5,",
            "edu,bus=down5-0 ",
            "xio3130-downstream,id=down5-1,bus=up5,",
            "pci-testdev,bus=down5-1",
        ] {
            assert!(arguments.contains(part), "{part} is not in {arguments}");
        }
    }
}
