// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that show memory as it is.
//!
//! C counterpart: `debugfs_create_blob()`.

use kernel::debugfs::BinaryWriter;
use kernel::fs::file;
use kernel::prelude::*;
use kernel::uaccess::UserSliceWriter;

use crate::abi::addr::PhysAddr;
use crate::abi::PAGE_SIZE;

use super::bindings;
use super::direct_map;

/// A stretch of RAM, to be copied to whoever reads the file.
///
/// It may have been given to somebody else since, like any memory that root looks at: the reader
/// sees what is there, or gets `EFAULT` where that cannot be read any more.
pub(crate) struct Blob {
    start: PhysAddr,
    len: usize,
}

impl Blob {
    /// Shows `len` bytes at `start`. [`None`] if not all of them are RAM.
    pub(crate) fn new(start: PhysAddr, len: usize) -> Option<Self> {
        let end = start.checked_add(len as u64)?;
        let mut page = start.pfn().get();
        while page < end.get().div_ceil(PAGE_SIZE as u64) {
            // SAFETY: The function takes any number and gives NULL where there is no page.
            if unsafe { bindings::lu_online_page(page as usize) }.is_null() {
                return None;
            }
            page += 1;
        }
        Some(Self { start, len })
    }
}

impl BinaryWriter for Blob {
    fn write_to_slice(
        &self,
        writer: &mut UserSliceWriter,
        offset: &mut file::Offset,
    ) -> Result<usize> {
        let mut copied = 0;
        let mut chunk = [0u8; 256];

        while let Ok(at) = usize::try_from(*offset) {
            let len = self
                .len
                .saturating_sub(at)
                .min(chunk.len())
                .min(writer.len());
            if len == 0 {
                break;
            }
            let from = direct_map::address_of(self.start).wrapping_add(at);
            let to = chunk.as_mut_ptr().cast();
            // SAFETY: `chunk` has room for as much. The function reads from anywhere, and says if it cannot:
            // who has the memory now may have had it taken out of the direct map.
            if unsafe { bindings::copy_from_kernel_nofault(to, from.cast(), len) } != 0 {
                // Whoever asks for the rest gets the error.
                return if copied == 0 { Err(EFAULT) } else { Ok(copied) };
            }
            writer.write_slice(chunk.get(..len).unwrap_or_default())?;
            *offset += len as file::Offset;
            copied += len;
        }
        Ok(copied)
    }
}
