// SPDX-License-Identifier: GPL-2.0

//! A kernel whose predecessor left it nonsense boots, says so, and works.
//!
//! What is handed over is damaged at the last moment: a breakpoint stops the first kernel at the start of
//! machine_kexec(), when all is written and nothing is read yet.

use anyhow::Result;
use anyhow::ensure;
use lu_vm::Debugger;
use lu_vm::Direction;
use lu_vm::Handover;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::TestResult;
use lu_vm::Transcript;
use lu_vm::run_at_jump;

/// Page-aligned, and far above the memory of any guest.
const OUTSIDE_MEMORY: u64 = 1 << 46;

/// Where a block of sessions or files has its count: behind the address of the next block.
const COUNT: u64 = 8;

/// The formats of memfds.
const COMPATIBLE: &str = "liveupdate_memfd=compatible";
const EXTENTS: &str = "liveupdate_memfd=extents";

/// In an extent: the word with the frame, the index, the number of pages.
const EXTENT_PFN: u64 = 0;
const EXTENT_INDEX: u64 = 8;
const EXTENT_COUNT: u64 = 12;

/// Who speaks of a live update in the kernel's log.
const SPEAKERS: &[&str] = &["kho", "luo", "liveupdate", "live update"];

/// What they say of bad input, one of these at least.
const WORDS: &[&str] = &[
    "invalid",
    "incompatible",
    "corrupt",
    "damaged",
    "outside",
    "beyond",
    "too small",
    "too short",
    "truncated",
    "cycl",
    "loop",
    "absurd",
    "bad ",
    "refus",
    "reject",
    "not preserved",
    "unusable",
];

/// Live-updates, with `damage` done on the way, and gives what the console showed.
fn update_with(
    name: &str,
    direction: Direction,
    cmdline: &str,
    damage: fn(&Handover, &mut Debugger) -> Result<()>,
) -> Result<Transcript> {
    let test = LiveUpdate::new(name, direction)
        .program(Program::ours("bad_handover"))
        .cmdline("nokaslr")
        .cmdline(cmdline);
    run_at_jump(&test, damage)
}

/// The second kernel reached userspace, said what is wrong, gave nothing out, and can be updated again.
fn survives(name: &str, damage: fn(&Handover, &mut Debugger) -> Result<()>) -> TestResult {
    survives_with(name, COMPATIBLE, damage)
}

/// The same, with more on the command line.
fn survives_with(
    name: &str,
    cmdline: &str,
    damage: fn(&Handover, &mut Debugger) -> Result<()>,
) -> TestResult {
    let seen = update_with(name, Direction::RustToRust, cmdline, damage)?;
    let after = seen.boots()[1];
    let shows = |text: &str| after.iter().any(|line| line.contains(text));
    let clear = |line: &String| {
        let line = line.to_lowercase();
        SPEAKERS.iter().any(|who| line.contains(who))
            && WORDS.iter().any(|what| line.contains(what))
    };
    let check = || {
        ensure!(!shows("# the data is intact"), "the damage went unnoticed");
        ensure!(
            after.iter().any(clear),
            "no line of the log says what is wrong with the handover"
        );
        ensure!(
            shows("# a new session works"),
            "live update is of no use any more"
        );
        Ok(())
    };
    check().map_err(|error| anyhow::anyhow!("{name}: {error}\n{}", seen.tail()))?;
    Ok(())
}

/// Without damage the same procedure hands the data over: it is not the debugger that breaks things.
#[test]
fn nothing_is_lost_when_nothing_is_damaged() -> TestResult {
    for direction in [Direction::MainlineToMainline, Direction::RustToRust] {
        let name = "nothing_is_lost_when_nothing_is_damaged";
        let seen = update_with(name, direction, COMPATIBLE, |_, _| Ok(()))?;
        let intact = seen.boots()[1]
            .iter()
            .any(|line| line.contains("# the data is intact"));
        if !intact {
            Err(anyhow::anyhow!(
                "{name}: the data did not come\n{}",
                seen.tail()
            ))?;
        }
    }
    Ok(())
}

#[test]
fn corrupt_kho_compatible_string() -> TestResult {
    survives("corrupt_kho_compatible_string", |handover, debugger| {
        let value = handover.property("", "compatible")?;
        debugger.write_physical(value.address, b"kho-x9")
    })
}

#[test]
fn corrupt_memory_map_outside_memory() -> TestResult {
    survives("corrupt_memory_map_outside_memory", |handover, debugger| {
        let value = handover.property("", "preserved-memory-map")?;
        debugger.write_physical(value.address, &OUTSIDE_MEMORY.to_le_bytes())
    })
}

#[test]
fn corrupt_luo_compatible_string() -> TestResult {
    survives("corrupt_luo_compatible_string", |handover, debugger| {
        debugger.write_physical(handover.luo()?, b"luo-x9")
    })
}

#[test]
fn corrupt_luo_blob_truncated() -> TestResult {
    survives("corrupt_luo_blob_truncated", |handover, debugger| {
        let value = handover.property("LUO", "blob-size")?;
        debugger.write_physical(value.address, &8u64.to_le_bytes())
    })
}

#[test]
fn corrupt_luo_blob_outside_memory() -> TestResult {
    survives("corrupt_luo_blob_outside_memory", |handover, debugger| {
        let value = handover.property("LUO", "preserved-data")?;
        debugger.write_physical(value.address, &OUTSIDE_MEMORY.to_le_bytes())
    })
}

#[test]
fn corrupt_session_chain_cyclic() -> TestResult {
    survives("corrupt_session_chain_cyclic", |handover, debugger| {
        let first = handover.sessions(debugger)?;
        debugger.write_physical(first, &first.to_le_bytes())
    })
}

#[test]
fn corrupt_session_chain_outside_memory() -> TestResult {
    survives(
        "corrupt_session_chain_outside_memory",
        |handover, debugger| {
            debugger.write_physical(handover.sessions_field()?, &OUTSIDE_MEMORY.to_le_bytes())
        },
    )
}

#[test]
fn corrupt_session_count_absurd() -> TestResult {
    survives("corrupt_session_count_absurd", |handover, debugger| {
        let first = handover.sessions(debugger)?;
        debugger.write_physical(first + COUNT, &u64::MAX.to_le_bytes())
    })
}

#[test]
fn corrupt_file_data_outside_memory() -> TestResult {
    survives("corrupt_file_data_outside_memory", |handover, debugger| {
        let field = handover.first_file_data_field(debugger)?;
        debugger.write_physical(field, &OUTSIDE_MEMORY.to_le_bytes())
    })
}

/// Damages a field of the first extent of a memfd, in a handover that has extents.
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

#[test]
fn corrupt_extent_outside_memory() -> TestResult {
    survives_with(
        "corrupt_extent_outside_memory",
        EXTENTS,
        |handover, debugger| {
            let pfn = OUTSIDE_MEMORY >> 12;
            damage_extent(handover, debugger, EXTENT_PFN, &pfn.to_le_bytes())
        },
    )
}

#[test]
fn corrupt_extent_of_memory_that_is_not_preserved() -> TestResult {
    let name = "corrupt_extent_of_memory_that_is_not_preserved";
    survives_with(name, EXTENTS, |handover, debugger| {
        // Where every PC has its kernel, or something before it.
        damage_extent(handover, debugger, EXTENT_PFN, &0x1000u64.to_le_bytes())
    })
}

#[test]
fn corrupt_extent_count_absurd() -> TestResult {
    survives_with(
        "corrupt_extent_count_absurd",
        EXTENTS,
        |handover, debugger| {
            damage_extent(handover, debugger, EXTENT_COUNT, &u32::MAX.to_le_bytes())
        },
    )
}

#[test]
fn corrupt_extent_behind_the_end_of_the_file() -> TestResult {
    let name = "corrupt_extent_behind_the_end_of_the_file";
    survives_with(name, EXTENTS, |handover, debugger| {
        damage_extent(handover, debugger, EXTENT_INDEX, &u32::MAX.to_le_bytes())
    })
}
