// SPDX-License-Identifier: GPL-2.0

//! ACPI tables that tell a kernel of a second PCI domain.
//!
//! QEMU's q35 has one domain, and so has what its firmware says. But all that makes a root bus a part of another
//! domain is what the tables say. So there is one more table for the expander bridge, which says that it is
//! domain 1 and that its configuration space is where it is, and one in the place of that of the IOMMU, which
//! says that this is for domain 1. The kernel takes both from its initramfs (`ACPI_TABLE_UPGRADE`).

/// The number of the expander bridge's bus. The firmware's name for it has it, too: `PC40`.
pub const BUS: u8 = 0x40;

/// Where q35 has the configuration space of all buses.
pub const ECAM: u64 = 0xb000_0000;

/// Where the registers of its IOMMU are.
const IOMMU: u64 = 0xfed9_0000;

/// The bytes of a table before its own.
const HEADER: usize = 36;

/// The tables, by file name.
pub fn tables() -> [(&'static str, Vec<u8>); 2] {
    [
        ("/kernel/firmware/acpi/domain.aml", domain()),
        ("/kernel/firmware/acpi/dmar.aml", iommu()),
    ]
}

/// An SSDT: `Scope (\_SB.PC40) { Name (_SEG, 1) Name (_CBA, ECAM) }`.
fn domain() -> Vec<u8> {
    let mut scope = Vec::new();
    scope.extend(b"\\\x2e_SB_PC40");
    scope.extend(b"\x08_SEG\x01");
    scope.extend(b"\x08_CBA\x0c");
    scope.extend((ECAM as u32).to_le_bytes());
    // The length is that of itself, too.
    let mut code = vec![0x10, scope.len() as u8 + 1];
    code.extend(scope);
    table(b"SSDT", b"DOMAIN 1", &code)
}

/// The table that QEMU has for its IOMMU, with another domain.
fn iommu() -> Vec<u8> {
    const INTERRUPT_REMAPPING: u8 = 1;
    const ADDRESS_BITS: u8 = 39;
    const ALL_DEVICES: u8 = 1;
    const DOMAIN: u16 = 1;
    let mut content = vec![ADDRESS_BITS - 1, INTERRUPT_REMAPPING];
    content.extend([0; 10]);
    // The I/O APIC, as QEMU names it: device 0 of a bus that does not exist.
    let apic = [3u8, 8, 0, 0, 0, 0xff, 0, 0];
    content.extend(0u16.to_le_bytes());
    content.extend((16 + apic.len() as u16).to_le_bytes());
    content.extend([ALL_DEVICES, 0]);
    content.extend(DOMAIN.to_le_bytes());
    content.extend(IOMMU.to_le_bytes());
    content.extend(apic);
    table(b"DMAR", b"BXPC    ", &content)
}

/// A table of QEMU's, but newer than those that it has itself.
fn table(signature: &[u8; 4], name: &[u8; 8], content: &[u8]) -> Vec<u8> {
    const REVISION: u8 = 1;
    let mut table = Vec::with_capacity(HEADER + content.len());
    table.extend(signature);
    table.extend(((HEADER + content.len()) as u32).to_le_bytes());
    table.extend([REVISION, 0]);
    table.extend(b"BOCHS ");
    table.extend(name);
    table.extend(2u32.to_le_bytes());
    table.extend(b"BXPC");
    table.extend(1u32.to_le_bytes());
    table.extend(content);
    let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    table[9] = sum.wrapping_neg();
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_as_long_as_they_say_and_add_up_to_zero() {
        for (name, table) in tables() {
            let length = u32::from_le_bytes(table[4..8].try_into().unwrap());
            assert_eq!(length as usize, table.len(), "{name}");
            let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            assert_eq!(sum, 0, "{name}");
        }
    }
}
