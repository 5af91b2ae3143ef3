// SPDX-License-Identifier: GPL-2.0

//! The demo's `/init`, in the kernel before and in the kernel after.

mod after;
mod before;

use std::process::ExitCode;

use lu_demo::PLAN_PATH;
use lu_demo::Plan;
use lu_demo::message::Message;
use lu_guest::init;
use lu_guest::kmsg::Kmsg;
use lu_guest::machine;

fn main() -> ExitCode {
    let hello = Message::Hello {
        release: machine::release(),
    };
    init::run(PLAN_PATH, &hello, |kmsg, plan| match plan {
        Plan::Before {
            seed,
            sessions,
            big_bytes,
        } => before::run(kmsg, seed, sessions, big_bytes),
        Plan::After { shuffle_seed } => after::run(kmsg, shuffle_seed),
    })
}

/// Says that something begins which takes a while.
fn progress(kmsg: &mut Kmsg, text: &str) -> anyhow::Result<()> {
    kmsg.say(&Message::Progress { text: text.into() })
}
