// SPDX-License-Identifier: GPL-2.0

//! What a file is described by.

use anyhow::Result;

use crate::Effort;
use crate::Need;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::Side;
use crate::damage::Damage;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::survive;
use crate::facts::Fact;

inventory::submit! {
    Scenario {
        name: "damaged_descriptions_of_memfds_are_survived",
        about: "A file whose description is damaged is refused, once and for all, and nothing else is",
        covers: &["kho-11", "luo-2", "memfd-3"],
        shape: Shape::Update,
        needs: &[Need::before(Fact::Symbols)],
        peer: Peer::Fails(Side::After, "it panics on purpose, or by accident, or opens nothing any more"),
        effort: Effort::Quick,
        run,
    }
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
