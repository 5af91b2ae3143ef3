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
