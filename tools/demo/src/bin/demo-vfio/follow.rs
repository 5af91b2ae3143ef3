// SPDX-License-Identifier: GPL-2.0

//! Follows the guest from its first line to its last.

use std::path::PathBuf;

use anyhow::Result;
use lu_demo::host::follow::Arrival;
use lu_demo::host::follow::Guest;
use lu_demo::vfio::BUFFER_TOKEN;
use lu_demo::vfio::Copied;
use lu_demo::vfio::DEVICE_TOKEN;
use lu_demo::vfio::Device;
use lu_demo::vfio::Handover;
use lu_demo::vfio::Others;
use lu_demo::vfio::Work;

use crate::report;

/// What the two kernels said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) from: String,
    pub(crate) to: Arrival,
    pub(crate) before: Seen,
    pub(crate) after: Seen,
    /// Before the device was retrieved.
    pub(crate) reserved: Others,
    /// After its session was finished and it was closed.
    pub(crate) ordinary: Others,
    pub(crate) log: PathBuf,
}

/// What one kernel said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) device: Device,
    pub(crate) handover: Handover,
    /// SHA-256 of the buffer.
    pub(crate) buffer: String,
    pub(crate) copied: Copied,
}

/// Waits for a certain kind of work.
macro_rules! wait_for {
    ($guest:ident, $what:literal, $kind:path) => {
        $guest.work($what, |work| match work {
            $kind(found) => Some(found),
            _ => None,
        })?
    };
}

/// Follows a guest that was just started.
pub(crate) fn run(mut guest: Guest<Work>) -> Result<Outcome> {
    let from = guest.first_hello()?;
    let before = before(&mut guest)?;
    let to = guest.arrival()?;

    let device = wait_for!(guest, "where the device is", Work::Found);
    show_device(&guest, &device);
    let reserved = wait_for!(guest, "what others get of the device", Work::Others);
    show_others(&guest, &reserved);
    let handover = wait_for!(guest, "that the device is back", Work::Retrieved);
    guest.step(&format!(
        "  retrieved from session {}: device and buffer",
        handover.session
    ));
    let buffer = wait_for!(guest, "the buffer's SHA-256", Work::Read).sha256;
    guest.step(&format!("  after:  SHA-256 {buffer}"));
    let copied = wait_for!(guest, "what the device copied", Work::Copied);
    show_copied(&guest, &copied);
    let ordinary = wait_for!(guest, "what others get of the device", Work::Others);
    show_others(&guest, &ordinary);
    Ok(Outcome {
        from,
        to,
        before,
        after: Seen {
            device,
            handover,
            buffer,
            copied,
        },
        reserved,
        ordinary,
        log: guest.finish()?,
    })
}

fn before(guest: &mut Guest<Work>) -> Result<Seen> {
    let device = wait_for!(guest, "where the device is", Work::Found);
    show_device(guest, &device);
    let copied = wait_for!(guest, "what the device copied", Work::Copied);
    show_copied(guest, &copied);
    let buffer = wait_for!(guest, "the buffer's SHA-256", Work::Read).sha256;
    guest.step(&format!("  before: SHA-256 {buffer}"));
    let handover = wait_for!(guest, "that the device is preserved", Work::Preserved);
    guest.step(&format!(
        "  preserved in session {}: device (token {DEVICE_TOKEN}) and buffer (token {BUFFER_TOKEN})",
        handover.session
    ));
    Ok(Seen {
        device,
        handover,
        buffer,
        copied,
    })
}

fn show_device(guest: &Guest<Work>, device: &Device) {
    let driver = device.driver.as_deref().unwrap_or("none");
    guest.step(&format!(
        "  device {}, driver: {driver}, behind",
        report::device(device)
    ));
    for bridge in &device.bridges {
        guest.step(&format!("    {}", report::bridge(bridge)));
    }
}

fn show_copied(guest: &Guest<Work>, copied: &Copied) {
    let verdict = match copied.wrong {
        0 => "byte by byte what they were copied from".to_owned(),
        wrong => format!("{wrong} BYTES ARE WRONG"),
    };
    guest.step(&format!("  {} blocks copied: {verdict}", copied.blocks));
}

fn show_others(guest: &Guest<Work>, others: &Others) {
    for line in report::others(others) {
        guest.step(&format!("  {line}"));
    }
}
