// SPDX-License-Identifier: GPL-2.0

//! The demo with an assigned device, which a driver in userspace has copy data by DMA.
//!
//! The device's DMA buffer is a memfd: random data, and room for what the device copies of it before
//! the live update and after. Which blocks it copies differs.

use serde::Deserialize;
use serde::Serialize;

use crate::data;

/// The session with the device and its buffer.
pub const SESSION: &str = "demo-vfio";
/// The device in it.
pub const DEVICE_TOKEN: u64 = 1;
/// The buffer in it.
pub const BUFFER_TOKEN: u64 = 2;

/// The driver that assigned devices have.
pub const VFIO_DRIVER: &str = "vfio-pci";
/// A driver that takes any device that it is told to.
pub const OTHER_DRIVER: &str = "pci-stub";

/// What the device carries at once.
pub const BLOCK: u64 = 2048;
/// Memory is mapped for the device by pages of so many bytes.
const PAGE: u64 = 4096;

/// The layout of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// Random data, with which it begins. Whole pages.
    pub data_bytes: u64,
    /// How many blocks of it the device copies in either kernel.
    pub blocks: u64,
}

/// In which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The first.
    Before,
    /// The second.
    After,
}

impl Buffer {
    /// The size of it all.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.data_bytes + 2 * self.room()
    }

    /// The size of what the device copies in one kernel.
    #[must_use]
    pub fn copied_bytes(&self) -> u64 {
        self.blocks * BLOCK
    }

    /// Where that goes to.
    #[must_use]
    pub fn copied_at(&self, stage: Stage) -> u64 {
        match stage {
            Stage::Before => self.data_bytes,
            Stage::After => self.data_bytes + self.room(),
        }
    }

    /// Where the blocks are that it copies, in an order drawn from `seed`.
    #[must_use]
    pub fn chosen(&self, seed: u64) -> Vec<u64> {
        let all = usize::try_from(self.data_bytes / BLOCK).unwrap_or(usize::MAX);
        let wanted = usize::try_from(self.blocks).unwrap_or(usize::MAX);
        data::shuffled(seed, all)
            .into_iter()
            .take(wanted)
            .map(|number| number as u64 * BLOCK)
            .collect()
    }

    fn room(&self) -> u64 {
        self.copied_bytes().next_multiple_of(PAGE)
    }
}

/// What the guest is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Plan {
    /// Drive the device, preserve it, and go on to the next kernel.
    Before {
        /// What the data is made from.
        seed: u64,
        /// What the blocks that the device copies are drawn from.
        order_seed: u64,
        /// The layout of the buffer.
        buffer: Buffer,
    },
    /// Retrieve the device, and drive it again.
    After {
        /// What the blocks that the device copies are drawn from.
        order_seed: u64,
        /// The layout of the buffer.
        buffer: Buffer,
    },
}

/// A bridge above the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Where it is, as the kernel writes it.
    pub address: String,
    /// What it is.
    pub kind: String,
    /// The first and the last of the buses behind it.
    pub buses: (u8, u8),
}

/// The device, as sysfs shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Where it is, as the kernel writes it.
    pub address: String,
    /// Its vendor and what the vendor calls it.
    pub id: (u16, u16),
    /// The bridges that it is behind, beginning at the root.
    pub bridges: Vec<Bridge>,
    /// The driver that is bound to it.
    pub driver: Option<String>,
}

/// What the device has copied in one kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Blocks.
    pub blocks: u64,
    /// Bytes that are not what they were copied from.
    pub wrong: u64,
    /// SHA-256 of all of them, in hexadecimal.
    pub sha256: String,
}

/// What the buffer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// SHA-256 of all of it, in hexadecimal.
    pub sha256: String,
}

/// Calls that handed something over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The session's name, as the kernel says it.
    pub session: String,
    /// Microseconds in them.
    pub micros: u64,
}

/// Whether a call went well, or the number of its error.
pub type Answer = Result<(), i32>;

/// What others than the owner get of the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Others {
    /// Its character device.
    pub path: String,
    /// Opening that.
    pub opened: Answer,
    /// Binding [`OTHER_DRIVER`].
    pub bound: Answer,
}

/// What the guest has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Work {
    /// Found the device.
    Found(Device),
    /// Had it copy.
    Copied(Copied),
    /// Read the whole buffer, with what the device copied in the first kernel.
    Read(Content),
    /// Preserved the device and the buffer.
    Preserved(Handover),
    /// Tried to get the device as somebody else: before it was retrieved, or after its owner closed it.
    Others(Others),
    /// Retrieved the device and the buffer.
    Retrieved(Handover),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_buffer_do_not_overlap() {
        for blocks in [1, 2, 7, 16] {
            let buffer = Buffer {
                data_bytes: 1 << 20,
                blocks,
            };
            let (before, after) = (
                buffer.copied_at(Stage::Before),
                buffer.copied_at(Stage::After),
            );
            assert!(buffer.data_bytes <= before);
            assert!(before + buffer.copied_bytes() <= after);
            assert!(after + buffer.copied_bytes() <= buffer.bytes());
            assert_eq!(buffer.bytes() % PAGE, 0);
        }
    }

    #[test]
    fn other_blocks_are_chosen_by_another_seed() {
        let buffer = Buffer {
            data_bytes: 1 << 20,
            blocks: 16,
        };
        let chosen = buffer.chosen(7);
        assert_eq!(chosen.len(), 16);
        assert!(
            chosen
                .iter()
                .all(|at| at % BLOCK == 0 && *at < buffer.data_bytes)
        );
        assert_ne!(chosen, buffer.chosen(!7));
    }

    #[test]
    fn what_the_guest_says_is_understood() {
        let work = Work::Others(Others {
            path: "/dev/vfio/devices/vfio0".to_owned(),
            opened: Err(16),
            bound: Ok(()),
        });
        let text = serde_json::to_string(&work).unwrap();
        assert_eq!(serde_json::from_str::<Work>(&text).unwrap(), work);
    }
}
