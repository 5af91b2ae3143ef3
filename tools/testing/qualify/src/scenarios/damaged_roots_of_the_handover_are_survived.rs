// SPDX-License-Identifier: GPL-2.0

//! The device tree of KHO and what it leads to.

use anyhow::Context;
use anyhow::Result;
use lu_vm::Debugger;
use lu_vm::Handover;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::damage::DATA_INTACT;
use crate::damage::Damage;
use crate::damage::OTHER_INTACT;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::shows;
use crate::damage::survive;
use crate::damage::update_with;
use crate::damage::works;
use crate::facts::Fact;

inventory::submit! {
    Scenario::update(
        "damaged_roots_of_the_handover_are_survived",
        "A kernel whose predecessor left a damaged device tree or map of memory boots, says so, and works",
        run,
    )
    .covers(&["kho-9", "kho-11"])
    .needs(&[Need::before(Fact::Symbols)])
    .peer_fails(Side::After, "it panics on purpose, or by accident, or opens nothing any more", Signs::Any)
}

fn run(run: &Run<'_>) -> Result<()> {
    survive(run, "", DAMAGES)?;
    lose_only_the_name(run)
}

/// A name of the kernel before that has no end is not shown, and costs nothing else.
fn lose_only_the_name(run: &Run<'_>) -> Result<()> {
    const VERSION: u64 = 4;
    let seen = update_with(run, "-release_without_an_end", "", |handover, debugger| {
        let metadata = handover.number("kexec-metadata", "preserved-data")?;
        debugger.write_physical(metadata + VERSION, &[b'x'; 65])
    })?;
    shows(&seen, "kexec metadata: release", "the log does not say what is wrong")?;
    shows(&seen, DATA_INTACT, "the data did not come")?;
    shows(&seen, OTHER_INTACT, "the other file did not come")?;
    works(&seen)
}

/// A node of the memory map that is neither its root nor a bitmap, counted from the root.
const MIDDLE: usize = 3;

/// Overwrites the first word of a node of the memory map that is not zero.
fn damage_map(
    handover: &Handover,
    debugger: &mut Debugger,
    node: usize,
    value: u64,
) -> Result<()> {
    let map = handover.memory_map(debugger)?;
    let slot = map.get(node).context("the memory map has too few levels")?;
    debugger.write_physical_u64(*slot, value)
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "kho_compatible_string",
        act: |handover, debugger| {
            let value = handover.property("", "compatible")?;
            debugger.write_physical(value.address, b"kho-x9")
        },
    },
    Damage {
        name: "memory_map_outside_memory",
        act: |handover, debugger| {
            let value = handover.property("", "preserved-memory-map")?;
            debugger.write_physical_u64(value.address, OUTSIDE_MEMORY)
        },
    },
    Damage {
        name: "node_outside_memory",
        act: |handover, debugger| damage_map(handover, debugger, MIDDLE, OUTSIDE_MEMORY),
    },
    Damage {
        name: "node_that_is_its_own_parent",
        act: |handover, debugger| {
            let root = handover.number("", "preserved-memory-map")?;
            damage_map(handover, debugger, MIDDLE, root)
        },
    },
    Damage {
        name: "node_in_scratch",
        act: |handover, debugger| {
            let description = handover.scratch(debugger, 0)?;
            let scratch = debugger.read_physical_u64(description)?;
            damage_map(handover, debugger, MIDDLE, scratch)
        },
    },
    Damage {
        name: "keys_of_no_memory",
        act: |handover, debugger| {
            let bitmap = handover.memory_map(debugger)?.len() - 1;
            damage_map(handover, debugger, bitmap, u64::MAX)
        },
    },
];
