// SPDX-License-Identifier: GPL-2.0

//! The benchmark's `/init`, in the kernel before and in the kernel after.

mod after;
mod before;
mod frames;
mod log;
mod memory;
mod pages;

use std::process::ExitCode;

use lu_bench::PLAN_PATH;
use lu_bench::mark::Mark;
use lu_bench::message::Message;
use lu_bench::tsc;
use lu_bench::work::Plan;
use lu_bench::work::Role;
use lu_guest::init;
use lu_guest::machine;

fn main() -> ExitCode {
    // Before anything else: here ends the blackout.
    let user = tsc::now();
    Mark::Own.say();
    let hello = Message::Hello {
        release: machine::release(),
    };
    init::run(PLAN_PATH, &hello, |kmsg, plan: Plan| match plan.role {
        Role::Before => before::run(kmsg, &plan),
        Role::After => after::run(kmsg, &plan, user),
    })
}
