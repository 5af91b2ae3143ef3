// SPDX-License-Identifier: GPL-2.0

//! The `/init` of the demo with files, in the kernel before and in the kernel after.

mod after;
mod before;

use std::process::ExitCode;

use lu_demo::files::Plan;
use lu_demo::guest;

fn main() -> ExitCode {
    guest::run(|kmsg, plan| match plan {
        Plan::Before {
            seed,
            sessions,
            big_bytes,
        } => before::run(kmsg, seed, sessions, big_bytes),
        Plan::After { shuffle_seed } => after::run(kmsg, shuffle_seed),
    })
}
