// SPDX-License-Identifier: GPL-2.0

//! What a file is described by.

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
        "damaged_descriptions_of_memfds_are_survived",
        "A file whose description is damaged is refused, once and for all, and nothing else is",
        run,
    )
    .covers(&["kho-11", "luo-2", "memfd-3"])
    .needs(&[Need::before(Fact::Symbols)])
    .peer_fails(Side::After, "it panics on purpose, or by accident, or opens nothing any more")
}

fn run(run: &Run<'_>) -> Result<()> {
    survive(run, "", DAMAGES)
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "file_data_outside_memory",
        act: |handover, debugger| {
            let field = handover.first_file_data_field(debugger)?;
            debugger.write_physical(field, &OUTSIDE_MEMORY.to_le_bytes())
        },
    },
];
