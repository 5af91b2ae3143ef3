// SPDX-License-Identifier: GPL-2.0

//! The life of an init program: it says hello, does what its plan says, and switches the machine off.

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use serde::de::DeserializeOwned;

use crate::kmsg::Kmsg;
use crate::machine;
use crate::message::ConsoleMessage;
use crate::message::shorten;

/// Runs `work` as the init of a virtual machine that has live update, and ends with the machine.
///
/// `hello` is said before anything else, and an error after everything.
pub fn run<M: ConsoleMessage, P: DeserializeOwned>(
    plan: &str,
    hello: &M,
    work: impl FnOnce(&mut Kmsg, P) -> Result<()>,
) -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("this is the init of a virtual machine; it does nothing elsewhere");
        return ExitCode::FAILURE;
    }
    let Ok(mut kmsg) = Kmsg::open() else {
        // With nowhere to speak, the end of init is all that can be said; the kernel reports it.
        return ExitCode::FAILURE;
    };
    let result = kmsg
        .say(hello)
        .and_then(|()| set_up(plan))
        .and_then(|plan| work(&mut kmsg, plan));
    if let Err(error) = result {
        let cause = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<liveupdate::Error>());
        let help = cause.map(|error| error.help().to_owned());
        // If this fails too, the host notices the silence.
        let _ = kmsg.say(&M::failed(shorten(&format!("{error:#}")), help));
    }
    machine::power_off()
}

fn set_up<P: DeserializeOwned>(path: &str) -> Result<P> {
    machine::set_up()?;
    let text = std::fs::read(path).with_context(|| format!("reading {path}"))?;
    let plan = serde_json::from_slice(&text).with_context(|| format!("understanding {path}"))?;
    ensure!(
        std::fs::metadata(liveupdate::DEVICE_PATH).is_ok(),
        "there is no {}: this kernel has no live update, or did not switch it on; see its log",
        liveupdate::DEVICE_PATH
    );
    Ok(plan)
}
