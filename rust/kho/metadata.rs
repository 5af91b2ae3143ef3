// SPDX-License-Identifier: GPL-2.0

//! Where this kernel came from, and what it tells the next one about that.

use kernel::prelude::*;
use zerocopy::IntoBytes;

use crate::abi::metadata::KexecMetadata;
use crate::kernel::sync::StaticMutex;
use crate::kernel::uts;
use crate::logic::metadata;

use super::handed::Handed;
use super::incoming;
use super::preserved::Preserved;
use super::subtree;

/// Name of the subtree.
const NAME: &CStr = c"kexec-metadata";

/// What the next kernel will read.
static OUT: StaticMutex<Option<Preserved>> = StaticMutex::new(c"kho_metadata", None);

/// Reads what the previous kernel said, and writes what the next one will read.
pub(super) fn start() -> Result {
    read();
    write().inspect_err(|error| pr_warn!("KHO: failed to write kexec metadata: {:?}\n", error))
}

/// A previous kernel that said nothing is fine.
fn read() {
    let Ok((phys, size)) = subtree::retrieve_subtree(NAME) else {
        return;
    };
    let Ok(blob) = Handed::claim(phys) else {
        pr_warn!(
            "KHO: kexec metadata at {} are not in preserved memory\n",
            phys
        );
        return;
    };
    let bytes = blob.bytes();
    match metadata::parse(bytes.get(..size).unwrap_or(bytes)) {
        Ok(metadata) => {
            incoming::set_kexec_count(metadata.kexec_count);
            pr_info!(
                "KHO: exec from: {} (count {})\n",
                metadata.release,
                metadata.kexec_count
            );
        }
        Err(error) => pr_warn!("KHO: kexec metadata: {}\n", error),
    }
}

fn write() -> Result {
    let size = core::mem::size_of::<KexecMetadata>();
    let mut blob = Preserved::new(size)?;
    let metadata = metadata::build(uts::release().to_bytes(), incoming::kexec_count());

    blob.bytes_mut()
        .get_mut(..size)
        .ok_or(EINVAL)?
        .copy_from_slice(metadata.as_bytes());
    subtree::add_subtree(NAME, blob.phys(), size)?;
    *OUT.lock() = Some(blob);
    Ok(())
}

/// Frees what [`start`] made, when KHO could not be set up.
pub(super) fn stop() {
    drop(OUT.lock().take());
}
