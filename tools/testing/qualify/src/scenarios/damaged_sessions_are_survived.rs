// SPDX-License-Identifier: GPL-2.0

//! The table of sessions, what leads to it, and their tables of files.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::damage::COMPATIBLE;
use crate::damage::COUNT;
use crate::damage::Damage;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::survive;
use crate::facts::Fact;

/// Where the first block has the name of its first session: behind its header.
const NAME: u64 = 16;

inventory::submit! {
    Scenario::update(
        "damaged_sessions_are_survived",
        "A kernel whose predecessor left damaged tables of sessions boots, says so, and works",
        run,
    )
    .covers(&["kho-11", "luo-6", "luo-8"])
    .needs(&[Need::before(Fact::Symbols)])
    .peer_fails(Side::After, "it panics on purpose, or by accident, or opens nothing any more", Signs::Any)
}

fn run(run: &Run<'_>) -> Result<()> {
    survive(run, "", DAMAGES)
}

/// How LUO's node begins in a device tree: a token, and its name.
const NODE: &[u8; 8] = b"\0\0\0\x01LUO\0";

const DAMAGES: &[Damage] = &[
    Damage {
        name: "luo_compatible_string",
        act: |handover, debugger| debugger.write_physical(handover.luo()?, b"luo-x9"),
    },
    Damage {
        name: "luo_node_that_does_not_begin",
        act: |handover, debugger| {
            debugger.write_physical(handover.find_in_tree(NODE)?, &[0; NODE.len()])
        },
    },
    Damage {
        name: "luo_blob_truncated",
        act: |handover, debugger| {
            let value = handover.property("LUO", "blob-size")?;
            debugger.write_physical_u64(value.address, 8)
        },
    },
    Damage {
        name: "luo_blob_outside_memory",
        act: |handover, debugger| {
            let value = handover.property("LUO", "preserved-data")?;
            debugger.write_physical_u64(value.address, OUTSIDE_MEMORY)
        },
    },
    Damage {
        name: "session_chain_cyclic",
        act: |handover, debugger| {
            let first = handover.sessions(debugger)?;
            debugger.write_physical_u64(first, first)
        },
    },
    Damage {
        name: "session_chain_outside_memory",
        act: |handover, debugger| {
            debugger.write_physical_u64(handover.sessions_field()?, OUTSIDE_MEMORY)
        },
    },
    Damage {
        name: "session_count_absurd",
        act: |handover, debugger| {
            let first = handover.sessions(debugger)?;
            debugger.write_physical_u64(first + COUNT, u64::MAX)
        },
    },
    Damage {
        name: "session_block_without_sessions",
        act: |handover, debugger| {
            let first = handover.sessions(debugger)?;
            debugger.write_physical_u64(first + COUNT, 0)
        },
    },
    Damage {
        name: "session_without_a_name",
        act: |handover, debugger| {
            let first = handover.sessions(debugger)?;
            debugger.write_physical(first + NAME, &[b'x'; 64])
        },
    },
    Damage {
        name: "file_chain_cyclic",
        act: |handover, debugger| {
            let files = handover.first_files(debugger)?;
            debugger.write_physical_u64(files, files)
        },
    },
    Damage {
        name: "file_count_absurd",
        act: |handover, debugger| {
            let files = handover.first_files(debugger)?;
            debugger.write_physical_u64(files + COUNT, u64::MAX)
        },
    },
    // As many as fit, but not as many as the session has.
    Damage {
        name: "file_count_that_is_not_the_session_s",
        act: |handover, debugger| {
            let files = handover.first_files(debugger)?;
            debugger.write_physical_u64(files + COUNT, 2)
        },
    },
    Damage {
        name: "file_whose_handler_has_no_end",
        act: |handover, debugger| {
            let files = handover.first_files(debugger)?;
            debugger.write_physical(files + COMPATIBLE, &[b'x'; 48])
        },
    },
];
