// SPDX-License-Identifier: GPL-2.0

//! What a memfd is after a live update, in all four directions.

use anyhow::Result;
use lu_vm::Direction;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::TestResult;
use lu_vm::in_all_directions;
use lu_vm::places;

/// The cases in selftests/liveupdate/memfd_behaviour.c.
const CASES: usize = 13;

/// Has the first kernel write the format that mainline does not know.
const EXTENTS: &str = "liveupdate_memfd=extents";

/// More than half of the guest's memory: only then are memfds put into scratch regions, which are CMA.
fn large_scratch() -> Result<String> {
    let mib = places::memory_mib()? * 9 / 16;
    Ok(format!("kho_scratch=32M,{mib}M,32M"))
}

in_all_directions!(
    memfds_keep_data_holes_size_position_and_seals,
    |direction| {
        LiveUpdate::new("memfds_keep_data_holes_size_position_and_seals", direction)
            .program(Program::ours("memfd_behaviour"))
            .quiet()
            .ktap_after_update(CASES)
            .run()
            .map(drop)
    }
);

in_all_directions!(
    scattered_pages_survive_and_those_between_are_free_again,
    |direction| {
        LiveUpdate::new(
            "scattered_pages_survive_and_those_between_are_free_again",
            direction,
        )
        .program(Program::ours("memfd_scattered"))
        .quiet()
        .ktap_after_update(1)
        .run()
        .map(drop)
    }
);

in_all_directions!(memfds_in_swap_keep_their_data, |direction| {
    LiveUpdate::new("memfds_in_swap_keep_their_data", direction)
        .program(Program::ours("memfd_swapped"))
        .quiet()
        .ktap_after_update(1)
        .run()
        .map(drop)
});

in_all_directions!(memfds_are_moved_out_of_cma, |direction| {
    LiveUpdate::new("memfds_are_moved_out_of_cma", direction)
        .program(Program::ours("memfd_cma"))
        // The last one counts; with this one there would be too little.
        .cmdline("kho_scratch=32M,64M,32M")
        .cmdline(&large_scratch()?)
        // In the middle of memory the kernel would leave no room for them.
        .cmdline("nokaslr")
        .quiet()
        .ktap_after_update(1)
        .run()
        .map(drop)
});

/// A program for memfds, with files that are described by extents.
fn by_extents(name: &str, program: &str, cases: usize) -> TestResult {
    LiveUpdate::new(name, Direction::RustToRust)
        .program(Program::ours(program))
        .cmdline(EXTENTS)
        .quiet()
        .ktap_after_update(cases)
        .run()?;
    Ok(())
}

#[test]
fn extents_keep_data_holes_size_position_and_seals() -> TestResult {
    let name = "extents_keep_data_holes_size_position_and_seals";
    by_extents(name, "memfd_behaviour", CASES)
}

#[test]
fn extents_of_single_pages_survive() -> TestResult {
    by_extents("extents_of_single_pages_survive", "memfd_scattered", 1)
}

#[test]
fn extents_survive_however_they_are_aligned() -> TestResult {
    by_extents(
        "extents_survive_however_they_are_aligned",
        "memfd_extents",
        1,
    )
}

/// The same files in the format that mainline knows, too.
#[test]
fn contiguous_pages_survive_however_they_are_aligned() -> TestResult {
    for direction in [Direction::RustToRust, Direction::MainlineToRust] {
        let name = "contiguous_pages_survive_however_they_are_aligned";
        LiveUpdate::new(name, direction)
            .program(Program::ours("memfd_extents"))
            .quiet()
            .ktap_after_update(1)
            .run()?;
    }
    Ok(())
}

#[test]
fn a_format_that_is_not_known_is_said_and_ignored() -> TestResult {
    LiveUpdate::new(
        "a_format_that_is_not_known_is_said_and_ignored",
        Direction::RustToMainline,
    )
    .program(Program::ours("memfd_scattered"))
    .cmdline("liveupdate_memfd=frob")
    .before_update("liveupdate_memfd=frob is neither compatible nor extents")
    .ktap_after_update(1)
    .run()?;
    Ok(())
}

/// Not into mainline, where it comes back sealed against everything.
#[test]
fn a_memfd_that_must_not_be_executable_stays_writable() -> TestResult {
    for direction in [Direction::RustToRust, Direction::MainlineToRust] {
        LiveUpdate::new(
            "a_memfd_that_must_not_be_executable_stays_writable",
            direction,
        )
        .program(Program::ours("memfd_noexec"))
        .quiet()
        .ktap_after_update(1)
        .run()?;
    }
    Ok(())
}
