// SPDX-License-Identifier: GPL-2.0

//! What must come back.

use anyhow::Result;
use lu_demo::data;
use lu_demo::digest;
use lu_demo::vfio::BLOCK;
use lu_demo::vfio::Buffer;
use lu_demo::vfio::Stage;
use sha2::Digest;
use sha2::Sha256;

/// SHA-256 in hexadecimal, computed on the host from the seeds alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Of the buffer, with what the device copied in the first kernel.
    pub(crate) buffer: String,
    /// Of that itself.
    pub(crate) copied_before: String,
    /// Of what it copied in the second.
    pub(crate) copied_after: String,
    /// How many blocks it copied in each.
    pub(crate) blocks: u64,
}

impl Expected {
    /// Does to a buffer what the guest does, without a device.
    pub(crate) fn compute(layout: Buffer, seed: u64, order_seeds: (u64, u64)) -> Result<Self> {
        let mut buffer = Vec::new();
        data::generate(seed, layout.data_bytes, |chunk| {
            buffer.extend_from_slice(chunk);
            Ok::<_, anyhow::Error>(())
        })?;
        let copy = |order_seed| -> Result<Vec<u8>> {
            let mut copied = Vec::new();
            for at in layout.chosen(order_seed) {
                let at = usize::try_from(at)?;
                copied.extend_from_slice(&buffer[at..at + usize::try_from(BLOCK)?]);
            }
            Ok(copied)
        };
        let (before, after) = (copy(order_seeds.0)?, copy(order_seeds.1)?);
        buffer.resize(usize::try_from(layout.copied_at(Stage::Before))?, 0);
        buffer.extend_from_slice(&before);
        buffer.resize(usize::try_from(layout.bytes())?, 0);
        Ok(Self {
            buffer: sha256(&buffer),
            copied_before: sha256(&before),
            copied_after: sha256(&after),
            blocks: layout.blocks,
        })
    }
}

fn sha256(bytes: &[u8]) -> String {
    digest::hex(Sha256::new_with_prefix(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_counts() {
        let layout = Buffer {
            data_bytes: 1 << 20,
            blocks: 3,
        };
        let compute = |seed, orders| Expected::compute(layout, seed, orders).unwrap();
        let one = compute(1, (2, 3));
        assert_eq!(one, compute(1, (2, 3)));
        let [data, before, after] = [compute(9, (2, 3)), compute(1, (9, 3)), compute(1, (2, 9))];
        assert_ne!(one.buffer, data.buffer);
        assert_ne!(one.buffer, before.buffer);
        assert_ne!(one.copied_before, before.copied_before);
        assert_eq!(one.buffer, after.buffer);
        assert_ne!(one.copied_after, after.copied_after);
    }
}
