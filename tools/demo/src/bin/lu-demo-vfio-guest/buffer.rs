// SPDX-License-Identifier: GPL-2.0

//! The device's DMA buffer.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use anyhow::Context;
use anyhow::Result;
use lu_demo::data;
use lu_demo::digest;
use lu_demo::guest;
use lu_demo::vfio::BLOCK;
use lu_demo::vfio::Buffer;
use lu_demo::vfio::Content;
use lu_demo::vfio::Copied;
use lu_demo::vfio::Stage;
use sha2::Digest;
use sha2::Sha256;

use crate::edu::Edu;

/// Makes the buffer, with data from a seed.
pub(crate) fn make(layout: Buffer, seed: u64) -> Result<File> {
    let mut file = guest::memfd("dma-buffer")?;
    data::generate(seed, layout.data_bytes, |chunk| file.write_all(chunk))
        .context("filling the buffer")?;
    file.set_len(layout.bytes())
        .context("making room in the buffer")?;
    Ok(file)
}

/// Reads all of it.
pub(crate) fn content(layout: Buffer, file: &File) -> Result<Content> {
    let sha256 = digest::of_file(file, layout.bytes()).context("reading the buffer")?;
    Ok(Content { sha256 })
}

/// Has the device copy blocks that are drawn from a seed, and looks at what came of it.
pub(crate) fn copy(
    layout: Buffer,
    file: &File,
    edu: &Edu<'_>,
    stage: Stage,
    order_seed: u64,
) -> Result<Copied> {
    let sources = layout.chosen(order_seed);
    let targets = (layout.copied_at(stage)..).step_by(usize::try_from(BLOCK)?);
    let mut hasher = Sha256::new();
    let mut wrong = 0;
    for (&from, to) in sources.iter().zip(targets) {
        edu.copy(from, to)?;
        let (original, copied) = (block(file, from)?, block(file, to)?);
        hasher.update(&copied);
        let differ = original.iter().zip(&copied).filter(|(a, b)| a != b);
        wrong += differ.count() as u64;
    }
    Ok(Copied {
        blocks: sources.len() as u64,
        wrong,
        sha256: digest::hex(hasher),
    })
}

fn block(file: &File, at: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(BLOCK)?];
    file.read_exact_at(&mut bytes, at)
        .with_context(|| format!("reading the buffer at {at:#x}"))?;
    Ok(bytes)
}
