// SPDX-License-Identifier: GPL-2.0

//! What a memfd is after a live update, in all four directions.

use anyhow::Result;
use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::in_all_directions;
use lu_vm::places;

/// The cases in selftests/liveupdate/memfd_behaviour.c.
const CASES: usize = 12;

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
        .cmdline(&large_scratch()?)
        // In the middle of memory the kernel would leave no room for them.
        .cmdline("nokaslr")
        .quiet()
        .ktap_after_update(1)
        .run()
        .map(drop)
});
