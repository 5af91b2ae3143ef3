// SPDX-License-Identifier: GPL-2.0

//! What a file is described by.

use anyhow::Result;
use lu_vm::Debugger;
use lu_vm::FOLIO;
use lu_vm::Handover;
use lu_vm::PAGE;
use lu_vm::PFN;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::damage::COMPATIBLE;
use crate::damage::Damage;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::lose_one_file;
use crate::facts::Fact;

/// Where a chunk has the addresses of a table's pages: behind that of the next chunk.
const ENTRIES: u64 = 8;

/// Where the description of a memfd has these: bytes from its start.
const POSITION: u64 = 0;
const FILE_SIZE: u64 = 8;
const SEALS: u64 = 16;
const FLAGS: u64 = 20;
const FOLIOS: u64 = 24;
const PAGES_OF_TABLE: u64 = 40;
const ORDER_OF_TABLE: u64 = 46;

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
    let field = handover.first_memfd_table(debugger)? + entry * FOLIO;
    let flags = debugger.read_physical_u64(field)? & !PFN;
    debugger.write_physical_u64(field, flags | pfn)
}

/// Overwrites a field of what describes the first file.
fn damage_field(
    handover: &Handover,
    debugger: &mut Debugger,
    field: u64,
    value: &[u8],
) -> Result<()> {
    let memfd = handover.first_memfd(debugger)?;
    debugger.write_physical(memfd + field, value)
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "file_of_no_handler",
        act: |handover, debugger| {
            let files = handover.first_files(debugger)?;
            debugger.write_physical(files + COMPATIBLE, b"memfd-x9")
        },
    },
    Damage {
        name: "position_that_no_file_can_have",
        act: |handover, debugger| damage_field(handover, debugger, POSITION, &u64::MAX.to_le_bytes()),
    },
    Damage {
        name: "size_that_no_file_can_have",
        act: |handover, debugger| damage_field(handover, debugger, FILE_SIZE, &u64::MAX.to_le_bytes()),
    },
    Damage {
        name: "size_that_does_not_hold_the_pages",
        act: |handover, debugger| damage_field(handover, debugger, FILE_SIZE, &PAGE.to_le_bytes()),
    },
    Damage {
        name: "seals_that_there_are_not",
        act: |handover, debugger| damage_field(handover, debugger, SEALS, &[0xff; 4]),
    },
    Damage {
        name: "flags_that_there_are_not",
        act: |handover, debugger| damage_field(handover, debugger, FLAGS, &[0xff; 4]),
    },
    Damage {
        name: "more_folios_than_the_table_has",
        act: |handover, debugger| damage_field(handover, debugger, FOLIOS, &u64::MAX.to_le_bytes()),
    },
    Damage {
        name: "no_folios_of_a_file_that_has_some",
        act: |handover, debugger| damage_field(handover, debugger, FOLIOS, &0u64.to_le_bytes()),
    },
    Damage {
        name: "fewer_folios_than_the_file_has",
        act: |handover, debugger| damage_field(handover, debugger, FOLIOS, &1u64.to_le_bytes()),
    },
    // The chunk is as it should be for that: nothing but memory itself says no.
    Damage {
        name: "table_larger_than_memory",
        act: |handover, debugger| {
            const ORDER: u16 = 28;
            let chunk = handover.first_memfd_chunk(debugger)?;

            debugger.write_physical_u64(chunk + ENTRIES, 1u64 << (ORDER + 12))?;
            damage_field(handover, debugger, PAGES_OF_TABLE, &(1u32 << ORDER).to_le_bytes())?;
            damage_field(handover, debugger, ORDER_OF_TABLE, &ORDER.to_le_bytes())
        },
    },
    Damage {
        name: "table_of_too_many_pages",
        act: |handover, debugger| damage_field(handover, debugger, PAGES_OF_TABLE, &[0xff; 4]),
    },
    Damage {
        name: "table_of_pages_too_large",
        act: |handover, debugger| damage_field(handover, debugger, ORDER_OF_TABLE, &[0xff; 2]),
    },
    Damage {
        name: "table_whose_chunks_are_cyclic",
        act: |handover, debugger| {
            let chunk = handover.first_memfd_chunk(debugger)?;
            debugger.write_physical_u64(chunk, chunk)
        },
    },
    Damage {
        name: "table_outside_memory",
        act: |handover, debugger| {
            let chunk = handover.first_memfd_chunk(debugger)?;
            debugger.write_physical_u64(chunk + ENTRIES, OUTSIDE_MEMORY)
        },
    },
    Damage {
        name: "file_data_outside_memory",
        act: |handover, debugger| {
            let field = handover.first_file_data_field(debugger)?;
            debugger.write_physical_u64(field, OUTSIDE_MEMORY)
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
