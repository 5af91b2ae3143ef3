// SPDX-License-Identifier: GPL-2.0

//! The demo's `/init`, in the kernel before and in the kernel after.

mod after;
mod before;
mod console;
mod machine;

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use lu_demo::PLAN_PATH;
use lu_demo::Plan;
use lu_demo::message::Message;

use crate::console::Console;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("lu-demo-guest is the init of a virtual machine; run `make demo` instead");
        return ExitCode::FAILURE;
    }
    // Before anything else: the host takes the time by this line.
    let hello = Message::Hello {
        release: machine::release(),
    };
    let mut console = match Console::open() {
        Ok(console) => console,
        // With nowhere to speak, the end of init is all that can be said; the kernel reports it.
        Err(_) => return ExitCode::FAILURE,
    };
    let result = console.say(&hello).and_then(|()| run(&mut console));
    if let Err(error) = result {
        let cause = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<liveupdate::Error>());
        let help = cause.map(liveupdate::Error::help);
        // If this fails too, the host notices the silence.
        let _ = console.say(&Message::failed(&format!("{error:#}"), help));
    }
    machine::power_off()
}

fn run(console: &mut Console) -> Result<()> {
    machine::set_up()?;
    let text = std::fs::read(PLAN_PATH).with_context(|| format!("reading {PLAN_PATH}"))?;
    let plan: Plan =
        serde_json::from_slice(&text).with_context(|| format!("understanding {PLAN_PATH}"))?;
    let status = std::fs::metadata(liveupdate::DEVICE_PATH);
    ensure!(
        status.is_ok(),
        "there is no {}: this kernel has no live update, or did not switch it on; see its log",
        liveupdate::DEVICE_PATH
    );
    match plan {
        Plan::Before {
            seed,
            sessions,
            big_bytes,
        } => before::run(console, seed, sessions, big_bytes),
        Plan::After { shuffle_seed } => after::run(console, shuffle_seed),
    }
}
