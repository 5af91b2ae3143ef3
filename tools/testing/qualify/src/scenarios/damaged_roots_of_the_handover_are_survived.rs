// SPDX-License-Identifier: GPL-2.0

//! The device tree of KHO and what it leads to.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::damage::Damage;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::survive;
use crate::facts::Fact;

inventory::submit! {
    Scenario::update(
        "damaged_roots_of_the_handover_are_survived",
        "A kernel whose predecessor left a damaged device tree or map of memory boots, says so, and works",
        run,
    )
    .covers(&["kho-9", "kho-11"])
    .needs(&[Need::before(Fact::Symbols)])
    .peer_fails(Side::After, "it panics on purpose, or by accident, or opens nothing any more")
}

fn run(run: &Run<'_>) -> Result<()> {
    survive(run, "", DAMAGES)
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
            debugger.write_physical(value.address, &OUTSIDE_MEMORY.to_le_bytes())
        },
    },
];
