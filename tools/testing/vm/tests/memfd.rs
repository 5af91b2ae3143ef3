// SPDX-License-Identifier: GPL-2.0

//! What a memfd is after a live update, in all four directions.

use lu_vm::LiveUpdate;
use lu_vm::Program;
use lu_vm::in_all_directions;

/// The cases in selftests/liveupdate/memfd_behaviour.c.
const CASES: usize = 12;

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
