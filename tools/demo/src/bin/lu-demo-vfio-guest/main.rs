// SPDX-License-Identifier: GPL-2.0

//! The `/init` of the demo with an assigned device, in the kernel before and in the kernel after.
//!
//! It is the device's driver as well: [`edu`] on top of [`vfio`] and [`pci`].

mod abi;
mod after;
mod before;
mod buffer;
mod drive;
mod edu;
mod pci;
mod sys;
mod vfio;

use std::process::ExitCode;

use lu_demo::guest;
use lu_demo::vfio::Plan;

fn main() -> ExitCode {
    guest::run(|kmsg, plan| match plan {
        Plan::Before {
            seed,
            order_seed,
            buffer,
        } => before::run(kmsg, seed, order_seed, buffer),
        Plan::After { order_seed, buffer } => after::run(kmsg, order_seed, buffer),
    })
}
