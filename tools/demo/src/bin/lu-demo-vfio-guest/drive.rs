// SPDX-License-Identifier: GPL-2.0

//! What the driver does in either kernel.

use std::fs::File;

use anyhow::Result;
use lu_demo::guest;
use lu_demo::guest::progress;
use lu_demo::vfio::BLOCK;
use lu_demo::vfio::Buffer;
use lu_demo::vfio::Stage;
use lu_demo::vfio::Work;
use lu_guest::kmsg::Kmsg;

use crate::buffer;
use crate::edu;
use crate::edu::Edu;
use crate::sys::DeviceFd;
use crate::vfio::Assigned;

/// Puts an open device into operation with a buffer, and has it copy blocks that are drawn from a seed.
pub(crate) fn drive(
    kmsg: &mut Kmsg,
    device: DeviceFd,
    memfd: &File,
    layout: Buffer,
    stage: Stage,
    order_seed: u64,
) -> Result<Assigned> {
    progress(
        kmsg,
        "giving the device a new iommufd, and mapping the buffer",
    )?;
    let assigned = Assigned::new(device)?;
    assigned.map(memfd, layout.bytes(), edu::IOVA)?;
    let edu = Edu::start(&assigned)?;
    let which = match stage {
        Stage::Before => "",
        Stage::After => "other ",
    };
    let blocks = layout.blocks;
    progress(
        kmsg,
        &format!("the device copies {blocks} {which}blocks of {BLOCK} bytes by DMA"),
    )?;
    let copied = buffer::copy(layout, memfd, &edu, stage, order_seed)?;
    guest::report(kmsg, Work::Copied(copied))?;
    Ok(assigned)
}
