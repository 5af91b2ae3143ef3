// SPDX-License-Identifier: GPL-2.0

//! What the boot protocol says of the handover, and the descriptions of scratch: the first things a kernel
//! reads, before it knows what memory there is.

use anyhow::Result;
use lu_vm::Debugger;
use lu_vm::Handover;
use lu_vm::NoteField;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::damage::Damage;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::survive;
use crate::damage::update_with;
use crate::facts::Fact;
use crate::outcome::NotApplicable;

/// The size in bytes of a scratch region, behind its address.
const SIZE: u64 = 8;

inventory::submit! {
    Scenario::update(
        "damaged_descriptions_of_scratch_are_survived",
        "A kernel that is told of scratch memory, or of a handover, that cannot be boots, says so, and works",
        run,
    )
    .covers(&["kho-4", "kho-11"])
    .needs(&[Need::before(Fact::Symbols)])
    .peer_fails(Side::After, "it takes its memory from whatever it is told is scratch", Signs::Any)
}

fn run(run: &Run<'_>) -> Result<()> {
    let mut is_checked = false;
    update_with(run, "-undamaged", "", |handover, debugger| {
        is_checked = handover.image_is_checked(debugger)?;
        Ok(())
    })?;
    if is_checked {
        return Err(NotApplicable(
            "the kernel before makes checksums of the image, which cannot be damaged therefore",
        )
        .into());
    }
    survive(run, "", DAMAGES)
}

/// Overwrites a field of the first scratch region, which is low memory.
fn scratch(handover: &Handover, debugger: &mut Debugger, field: u64, value: u64) -> Result<()> {
    let at = handover.scratch(debugger, 0)? + field;
    debugger.write_physical_u64(at, value)
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "no_scratch_at_all",
        act: |handover, debugger| {
            for index in 0..handover.scratch_regions(debugger)? {
                let size = handover.scratch(debugger, index)? + SIZE;
                debugger.write_physical_u64(size, 0)?;
            }
            Ok(())
        },
    },
    Damage {
        name: "scratch_outside_memory",
        act: |handover, debugger| scratch(handover, debugger, 0, OUTSIDE_MEMORY),
    },
    Damage {
        name: "scratch_without_an_end",
        act: |handover, debugger| scratch(handover, debugger, SIZE, u64::MAX),
    },
    Damage {
        name: "scratch_larger_than_memory",
        act: |handover, debugger| scratch(handover, debugger, SIZE, OUTSIDE_MEMORY),
    },
    Damage {
        name: "scratch_that_begins_within_a_page",
        act: |handover, debugger| {
            let at = handover.scratch(debugger, 0)?;
            let address = debugger.read_physical_u64(at)?;
            debugger.write_physical_u64(at, address + 8)
        },
    },
    Damage {
        name: "scratch_where_something_is_preserved",
        act: |handover, debugger| {
            let table = handover.first_memfd_table(debugger)?;
            scratch(handover, debugger, 0, table)
        },
    },
    Damage {
        name: "device_tree_outside_memory",
        act: |handover, debugger| handover.write_note(debugger, NoteField::Tree, OUTSIDE_MEMORY),
    },
    Damage {
        name: "device_tree_without_an_end",
        act: |handover, debugger| handover.write_note(debugger, NoteField::TreeLength, u64::MAX),
    },
    Damage {
        name: "descriptions_of_scratch_outside_memory",
        act: |handover, debugger| handover.write_note(debugger, NoteField::Scratch, OUTSIDE_MEMORY),
    },
    Damage {
        name: "a_part_of_a_description_of_scratch",
        act: |handover, debugger| handover.write_note(debugger, NoteField::ScratchLength, 24),
    },
    Damage {
        name: "descriptions_of_scratch_without_an_end",
        act: |handover, debugger| handover.write_note(debugger, NoteField::ScratchLength, u64::MAX),
    },
];
