// SPDX-License-Identifier: GPL-2.0

//! The demo's `/init`, in the kernel before and in the kernel after.

mod after;
mod before;
mod console;

use std::process::ExitCode;

use lu_demo::PLAN_PATH;
use lu_demo::Plan;
use lu_demo::message::Message;
use lu_guest::init;
use lu_guest::machine;

use crate::console::Console;

fn main() -> ExitCode {
    let hello = Message::Hello {
        release: machine::release(),
    };
    init::run(
        PLAN_PATH,
        &hello.to_line(),
        |error, help| Message::failed(error, help).to_line(),
        |kmsg, plan| {
            let mut console = Console::new(kmsg);
            match plan {
                Plan::Before {
                    seed,
                    sessions,
                    big_bytes,
                } => before::run(&mut console, seed, sessions, big_bytes),
                Plan::After { shuffle_seed } => after::run(&mut console, shuffle_seed),
            }
        },
    )
}
