// SPDX-License-Identifier: GPL-2.0

//! What the screen shows, and the verdict.

use std::io;
use std::time::Duration;

use anyhow::Result;
use lu_demo::host::report::Differences;
use lu_demo::host::report::Times;
use lu_demo::host::report::row;
use lu_demo::vfio::Answer;
use lu_demo::vfio::Bridge;
use lu_demo::vfio::Copied;
use lu_demo::vfio::Device;
use lu_demo::vfio::OTHER_DRIVER;
use lu_demo::vfio::Others;
use lu_demo::vfio::SESSION;
use lu_demo::vfio::VFIO_DRIVER;
use rustix::io::Errno;

use crate::expected::Expected;
use crate::follow::Outcome;

/// The bridges above the device: a root port, and the two ports of a switch that it passes.
const BRIDGES: usize = 3;

/// A device, in words.
pub(crate) fn device(device: &Device) -> String {
    let (vendor, id) = device.id;
    format!("{} [{vendor:04x}:{id:04x}]", device.address)
}

/// A bridge, in words.
pub(crate) fn bridge(bridge: &Bridge) -> String {
    let (first, last) = bridge.buses;
    format!(
        "{} {}, buses {first:02x}-{last:02x}",
        bridge.address, bridge.kind
    )
}

/// What others get of a device, in words.
pub(crate) fn others(others: &Others) -> [String; 2] {
    [
        format!("{OTHER_DRIVER} asks for it: {}", answer(others.bound)),
        format!("somebody opens {}: {}", others.path, answer(others.opened)),
    ]
}

fn answer(answer: Answer) -> String {
    match answer {
        Ok(()) => "granted".to_owned(),
        Err(number) => format!("refused, {}", io::Error::from_raw_os_error(number)),
    }
}

/// Shows what came of it.
pub(crate) fn show(outcome: &Outcome, expected: &Expected, buffer_mib: u32) {
    let Outcome { before, after, .. } = outcome;
    println!();
    row("from kernel", &outcome.from);
    row("to kernel", &outcome.to.release);
    row("session", &after.handover.session);
    row("device before", &device(&before.device));
    row("device after", &device(&after.device));
    for (at, line) in after.device.bridges.iter().enumerate() {
        let name = if at == 0 { "  behind" } else { "" };
        row(name, &bridge(line));
    }
    println!("  what others get of the device");
    for (name, what) in [
        ("  as it waits", &outcome.reserved),
        ("  once finished", &outcome.ordinary),
    ] {
        let [bound, opened] = others(what);
        row(name, &bound);
        row("", &opened);
    }
    println!(
        "  SHA-256 of the DMA buffer: {buffer_mib} MiB of data, and what the device copied before"
    );
    row("  on the host", &expected.buffer);
    row("  before", &before.buffer);
    row("  after", &after.buffer);
    println!("  SHA-256 of what the device copied after, out of the buffer");
    row("  on the host", &expected.copied_after);
    row("  by the device", &after.copied.sha256);
    Times {
        preserve: Duration::from_micros(before.handover.micros),
        blackout: outcome.to.blackout,
        retrieve: Duration::from_micros(after.handover.micros),
    }
    .show();
    row("console log", &outcome.log.display().to_string());
}

/// Compares everything that has to agree.
pub(crate) fn judge(outcome: &Outcome, expected: &Expected) -> Result<()> {
    let Outcome { before, after, .. } = outcome;
    let mut found = Differences::default();
    judge_device(&mut found, &before.device, &after.device);
    judge_others(&mut found, outcome);
    for handover in [&before.handover, &after.handover] {
        found.equal("session", handover.session.as_str(), SESSION);
    }
    for (when, copied, wanted) in [
        ("before", &before.copied, &expected.copied_before),
        ("after", &after.copied, &expected.copied_after),
    ] {
        judge_copied(&mut found, when, copied, wanted, expected.blocks);
    }
    found.holds(
        before.buffer == expected.buffer,
        "the buffer was not what the seed and the device make of it before it was preserved",
    );
    found.holds(
        after.buffer == before.buffer,
        "SHA-256 of the buffer is not what it was before",
    );
    found.verdict(&outcome.log)
}

fn judge_device(found: &mut Differences, before: &Device, after: &Device) {
    found.equal("device", device(after), device(before));
    found.equal("bridges above it", before.bridges.len(), BRIDGES);
    found.equal(
        "bridges above it",
        after.bridges.len(),
        before.bridges.len(),
    );
    for (after, before) in after.bridges.iter().zip(&before.bridges) {
        found.equal("bridge", bridge(after), bridge(before));
    }
    let driver = |device: &Device| device.driver.clone().unwrap_or_else(|| "none".to_owned());
    found.equal("driver before", driver(before), VFIO_DRIVER.to_owned());
    found.equal(
        "driver that the second kernel began with",
        driver(after),
        "none".to_owned(),
    );
}

fn judge_others(found: &mut Differences, outcome: &Outcome) {
    let mut equal = |what: &str, given: Answer, wanted: Answer| {
        found.equal(what, answer(given), answer(wanted));
    };
    let refused = |errno: Errno| Err(errno.raw_os_error());
    let (reserved, ordinary) = (&outcome.reserved, &outcome.ordinary);
    let driver = format!("binding {OTHER_DRIVER}");
    equal(&driver, reserved.bound, refused(Errno::NODEV));
    equal(
        "opening the reserved device",
        reserved.opened,
        refused(Errno::BUSY),
    );
    equal("opening the device after all", ordinary.opened, Ok(()));
    equal(&format!("{driver} after all"), ordinary.bound, Ok(()));
}

fn judge_copied(found: &mut Differences, when: &str, copied: &Copied, wanted: &str, blocks: u64) {
    found.equal(&format!("blocks copied {when}"), copied.blocks, blocks);
    found.equal(
        &format!("bytes that were copied wrongly {when}"),
        copied.wrong,
        0,
    );
    found.equal(
        &format!("SHA-256 of what was copied {when}"),
        copied.sha256.as_str(),
        wanted,
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lu_demo::host::follow::Arrival;
    use lu_demo::host::report::first_missed;
    use lu_demo::vfio::Handover;

    use crate::follow::Seen;

    use super::*;

    fn seen(driver: Option<&str>, copied: &str) -> Seen {
        let bridge = |slot: u8| Bridge {
            address: format!("0000:0{slot}:00.0"),
            kind: "bridge".to_owned(),
            buses: (slot + 1, 4),
        };
        Seen {
            device: Device {
                address: "0000:04:00.0".to_owned(),
                id: (0x1234, 0x11e8),
                bridges: (0..3).map(bridge).collect(),
                driver: driver.map(str::to_owned),
            },
            handover: Handover {
                session: SESSION.to_owned(),
                micros: 1,
            },
            buffer: "ab".to_owned(),
            copied: Copied {
                blocks: 16,
                wrong: 0,
                sha256: copied.to_owned(),
            },
        }
    }

    fn good() -> (Outcome, Expected) {
        let others = |opened, bound| Others {
            path: "/dev/vfio/devices/vfio0".to_owned(),
            opened,
            bound,
        };
        let outcome = Outcome {
            from: "7.3.4-a".to_owned(),
            to: Arrival {
                release: "7.3.4-b".to_owned(),
                blackout: Duration::from_millis(1),
            },
            before: seen(Some(VFIO_DRIVER), "cd"),
            after: seen(None, "ef"),
            reserved: others(Err(16), Err(19)),
            ordinary: others(Ok(()), Ok(())),
            log: "console.log".into(),
        };
        let expected = Expected {
            buffer: "ab".to_owned(),
            copied_before: "cd".to_owned(),
            copied_after: "ef".to_owned(),
            blocks: 16,
        };
        (outcome, expected)
    }

    #[test]
    fn each_difference_fails_by_itself() {
        let (outcome, expected) = good();
        let spoil: &[fn(&mut Outcome)] = &[
            |o| o.after.device.address = "0000:05:00.0".to_owned(),
            |o| o.after.device.id = (0x1234, 0),
            |o| o.after.device.bridges[1].buses.0 += 1,
            |o| o.after.device.bridges.truncate(2),
            |o| o.after.device.driver = Some(OTHER_DRIVER.to_owned()),
            |o| o.before.device.driver = None,
            |o| o.reserved.opened = Ok(()),
            |o| o.reserved.opened = Err(2),
            |o| o.reserved.bound = Ok(()),
            |o| o.ordinary.opened = Err(16),
            |o| o.ordinary.bound = Err(19),
            |o| o.after.handover.session = "other".to_owned(),
            |o| o.before.buffer = "xx".to_owned(),
            |o| o.after.buffer = "xx".to_owned(),
            |o| o.before.copied.wrong = 1,
            |o| o.after.copied.blocks -= 1,
            |o| o.before.copied.sha256 = "ef".to_owned(),
            |o| o.after.copied.sha256 = "cd".to_owned(),
        ];
        let missed = first_missed(&outcome, spoil, |outcome| judge(outcome, &expected));
        assert_eq!(missed, None);
    }
}
