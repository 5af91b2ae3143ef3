// SPDX-License-Identifier: GPL-2.0

//! In the second kernel: find the device reserved, retrieve it, and drive it again.

use std::fs::File;

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
use lu_demo::vfio::OTHER_DRIVER;
use lu_demo::vfio::Others;
use lu_demo::vfio::SESSION;
use lu_demo::vfio::Stage;
use lu_demo::vfio::VFIO_DRIVER;
use lu_demo::vfio::Work;
use lu_guest::kmsg::Kmsg;

use crate::buffer;
use crate::drive::drive;
use crate::edu;
use crate::pci;
use crate::pci::Function;
use crate::pci::answer;
use crate::sys::DeviceFd;

pub(crate) fn run(kmsg: &mut Kmsg, order_seed: u64, layout: Buffer) -> Result<()> {
    let function = pci::find(edu::ID)?;
    guest::report(kmsg, Work::Found(function.describe()?))?;
    guest::report(kmsg, Work::Others(others_before(&function)?))?;

    let orchestrator = Device::open()?;
    let mut timer = Timer::default();
    let session = timer.time(|| orchestrator.retrieve_session(SESSION))?;
    let memfd = timer.time(|| session.retrieve_fd(Token(BUFFER_TOKEN)))?;
    let device = timer.time(|| session.retrieve_fd(Token(DEVICE_TOKEN)))?;
    let retrieved = Handover {
        session: session.query_name()?.to_string(),
        micros: timer.micros(),
    };
    guest::report(kmsg, Work::Retrieved(retrieved))?;

    let memfd = File::from(memfd);
    guest::report(kmsg, Work::Read(buffer::content(layout, &memfd)?))?;
    let device = DeviceFd::retrieved(device).context("looking at what was retrieved")?;
    let assigned = drive(kmsg, device, &memfd, layout, Stage::After, order_seed)?;

    session.finish()?;
    progress(kmsg, "session finished; closing the device")?;
    drop(assigned);
    guest::report(kmsg, Work::Others(others_after(&function)?))
}

/// What others get of the device while it waits for its owner.
fn others_before(function: &Function) -> Result<Others> {
    let bound = answer(function.bind(OTHER_DRIVER));
    function
        .bind(VFIO_DRIVER)
        .with_context(|| format!("binding {VFIO_DRIVER} to {}", function.address()))?;
    let cdev = function.cdev()?;
    Ok(Others {
        path: cdev.path.display().to_string(),
        opened: answer(cdev.open()),
        bound,
    })
}

/// What others get of it once its owner is through with it. The other driver keeps it.
fn others_after(function: &Function) -> Result<Others> {
    let cdev = function.cdev()?;
    let opened = answer(cdev.open());
    function
        .unbind()
        .with_context(|| format!("taking {} from {VFIO_DRIVER}", function.address()))?;
    Ok(Others {
        path: cdev.path.display().to_string(),
        opened,
        bound: answer(function.bind(OTHER_DRIVER)),
    })
}
