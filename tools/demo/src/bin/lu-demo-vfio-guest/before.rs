// SPDX-License-Identifier: GPL-2.0

//! In the first kernel: drive the device, preserve it, and jump.

use anyhow::Context;
use anyhow::Result;
use liveupdate::Device;
use liveupdate::Token;
use lu_demo::guest;
use lu_demo::guest::Timer;
use lu_demo::guest::progress;
use lu_demo::vfio::BUFFER_TOKEN;
use lu_demo::vfio::Buffer;
use lu_demo::vfio::DEVICE_TOKEN;
use lu_demo::vfio::Handover;
use lu_demo::vfio::SESSION;
use lu_demo::vfio::Stage;
use lu_demo::vfio::VFIO_DRIVER;
use lu_demo::vfio::Work;
use lu_guest::kmsg::Kmsg;

use crate::buffer;
use crate::drive::drive;
use crate::edu;
use crate::pci;

pub(crate) fn run(kmsg: &mut Kmsg, seed: u64, order_seed: u64, layout: Buffer) -> Result<()> {
    let function = pci::find(edu::ID)?;
    function
        .bind(VFIO_DRIVER)
        .with_context(|| format!("binding {VFIO_DRIVER} to {}", function.address()))?;
    guest::report(kmsg, Work::Found(function.describe()?))?;

    let mib = layout.data_bytes >> 20;
    progress(
        kmsg,
        &format!("making its DMA buffer, a memfd: {mib} MiB from seed {seed:#018x}"),
    )?;
    let memfd = buffer::make(layout, seed)?;
    let cdev = function.cdev()?;
    progress(kmsg, &format!("opening {}", cdev.path.display()))?;
    let device = cdev
        .open()
        .with_context(|| format!("opening {}", cdev.path.display()))?;
    let assigned = drive(kmsg, device, &memfd, layout, Stage::Before, order_seed)?;
    guest::report(kmsg, Work::Read(buffer::content(layout, &memfd)?))?;

    let orchestrator = Device::open()?;
    let mut timer = Timer::default();
    let session = timer.time(|| orchestrator.create_session(SESSION))?;
    timer.time(|| session.preserve_fd(Token(DEVICE_TOKEN), assigned.device()))?;
    timer.time(|| session.preserve_fd(Token(BUFFER_TOKEN), &memfd))?;
    let preserved = Handover {
        session: session.query_name()?.to_string(),
        micros: timer.micros(),
    };
    guest::report(kmsg, Work::Preserved(preserved))?;
    guest::live_update(kmsg, (session, assigned, memfd))
}
