// SPDX-License-Identifier: GPL-2.0

//! What a file is described by.

use anyhow::Result;
use lu_vm::Debugger;
use lu_vm::Handover;
use lu_vm::PAGE;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::damage::Damage;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::PFN;
use crate::damage::lose_one_file;
use crate::facts::Fact;

/// Bytes of an entry of a memfd's table.
const ENTRY: u64 = 16;

/// A page that holds the kernel, or something before it, on every PC; it is no memory on others.
const NOT_PRESERVED: u64 = 0x1000;

inventory::submit! {
    Scenario::update(
        "damaged_descriptions_of_memfds_are_survived",
        "A file whose description is damaged is refused, once and for all, and nothing else is",
        run,
    )
    .covers(&["kho-11", "luo-2", "memfd-3"])
    .needs(&[Need::before(Fact::Symbols)])
    .peer_fails(Side::After, "it panics on purpose, or by accident, or opens nothing any more", Signs::Any)
}

fn run(run: &Run<'_>) -> Result<()> {
    lose_one_file(run, "", DAMAGES)
}

/// Makes an entry of the memfd's table say that its page is another one. The pages before it are the file's
/// by then, those behind it are not yet.
fn damage_page(handover: &Handover, debugger: &mut Debugger, entry: u64, pfn: u64) -> Result<()> {
    let field = handover.first_memfd_table(debugger)? + entry * ENTRY;
    let flags = debugger.read_physical_u64(field)? & !PFN;
    debugger.write_physical(field, &(flags | pfn).to_le_bytes())
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "file_data_outside_memory",
        act: |handover, debugger| {
            let field = handover.first_file_data_field(debugger)?;
            debugger.write_physical(field, &OUTSIDE_MEMORY.to_le_bytes())
        },
    },
    Damage {
        name: "first_page_outside_memory",
        act: |handover, debugger| damage_page(handover, debugger, 0, OUTSIDE_MEMORY / PAGE),
    },
    Damage {
        name: "page_in_the_middle_outside_memory",
        act: |handover, debugger| damage_page(handover, debugger, 3, OUTSIDE_MEMORY / PAGE),
    },
    Damage {
        name: "page_in_the_middle_that_is_not_preserved",
        act: |handover, debugger| damage_page(handover, debugger, 3, NOT_PRESERVED),
    },
    // It is preserved, but for the kernel to read.
    Damage {
        name: "page_in_the_middle_that_is_the_device_tree",
        act: |handover, debugger| {
            damage_page(handover, debugger, 3, handover.tree() / PAGE)
        },
    },
];
