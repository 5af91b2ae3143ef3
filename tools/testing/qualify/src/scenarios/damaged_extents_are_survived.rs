// SPDX-License-Identifier: GPL-2.0

//! The extents that describe a memfd.

use anyhow::Result;
use anyhow::ensure;
use lu_vm::Debugger;
use lu_vm::Handover;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::damage::Damage;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::lose_one_file;
use crate::facts::Fact;
use crate::run::EXTENTS;

/// In an extent: the word with the frame, the index, the number of pages.
const PFN: u64 = 0;
const INDEX: u64 = 8;
const PAGES: u64 = 12;

inventory::submit! {
    Scenario::update(
        "damaged_extents_are_survived",
        "A file with a damaged extent is refused, once and for all, and nothing else is",
        run,
    )
    .covers(&["kho-11", "memfd-3"])
    .needs(&[Need::before(Fact::Symbols), Need::both(Fact::Ours)])
}

fn run(run: &Run<'_>) -> Result<()> {
    lose_one_file(run, EXTENTS, DAMAGES)
}

/// Damages a field of the first extent of a memfd.
fn damage_extent(
    handover: &Handover,
    debugger: &mut Debugger,
    field: u64,
    value: &[u8],
) -> Result<()> {
    let compatible = handover.first_file_compatible(debugger)?;
    ensure!(
        compatible == "memfd-extents-v1",
        "the file is described by {compatible:?}"
    );
    let table = handover.first_memfd_table(debugger)?;
    debugger.write_physical(table + field, value)
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "extent_outside_memory",
        act: |handover, debugger| {
            let pfn = OUTSIDE_MEMORY >> 12;
            damage_extent(handover, debugger, PFN, &pfn.to_le_bytes())
        },
    },
    Damage {
        name: "extent_of_memory_that_is_not_preserved",
        act: |handover, debugger| {
            // Where every PC has its kernel, or something before it.
            damage_extent(handover, debugger, PFN, &0x1000u64.to_le_bytes())
        },
    },
    Damage {
        name: "extent_count_absurd",
        act: |handover, debugger| {
            damage_extent(handover, debugger, PAGES, &u32::MAX.to_le_bytes())
        },
    },
    Damage {
        name: "extent_behind_the_end_of_the_file",
        act: |handover, debugger| {
            damage_extent(handover, debugger, INDEX, &u32::MAX.to_le_bytes())
        },
    },
];
