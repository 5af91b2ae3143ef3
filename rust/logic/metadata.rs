// SPDX-License-Identifier: GPL-2.0

//! Reading and writing the kexec metadata.
//!
//! C counterparts: `kho_in_kexec_metadata()` and `kho_out_kexec_metadata()`.

use core::fmt;

use zerocopy::FromBytes;

use super::name::CStrField;
use super::name::NameError;
use crate::abi::metadata::KexecMetadata;
use crate::abi::metadata::RELEASE_LEN;
use crate::abi::metadata::VERSION;

/// What the previous kernel said about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its release.
    pub release: CStrField<RELEASE_LEN>,
    /// Number of kexec boots since the last cold boot, this one included.
    pub kexec_count: u32,
}

/// Why metadata cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataError {
    /// The blob is too small.
    TooSmall {
        /// Its size in bytes.
        size: usize,
        /// The size that it must have at least.
        need: usize,
    },
    /// The blob is of a version that this kernel does not know.
    Version {
        /// The version.
        found: u32,
    },
    /// The release is not a string.
    Release(NameError),
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { size, need } => {
                write!(f, "blob of {size} bytes is too small, {need} needed")
            }
            Self::Version { found } => {
                write!(f, "version {found} is not known, only {VERSION} is")
            }
            Self::Release(error) => write!(f, "release of the previous kernel: {error}"),
        }
    }
}

/// Reads a blob of metadata.
pub fn parse(blob: &[u8]) -> Result<Metadata, MetadataError> {
    let too_small = |need| MetadataError::TooSmall {
        size: blob.len(),
        need,
    };
    // The version comes first in all versions, and decides how large the rest is.
    let (version, _) =
        u32::read_from_prefix(blob).map_err(|_| too_small(core::mem::size_of::<u32>()))?;

    if version != VERSION {
        return Err(MetadataError::Version { found: version });
    }
    let (metadata, _) = KexecMetadata::read_from_prefix(blob)
        .map_err(|_| too_small(core::mem::size_of::<KexecMetadata>()))?;

    Ok(Metadata {
        release: CStrField::parse(&metadata.previous_release).map_err(MetadataError::Release)?,
        kexec_count: metadata.kexec_count,
    })
}

/// The metadata for the next kernel. `count` is this kernel's own, zero after a cold boot.
///
/// A `release` that is too long is cut.
pub fn build(release: &[u8], count: u32) -> KexecMetadata {
    let mut previous_release = [0; RELEASE_LEN];

    for (to, from) in previous_release
        .iter_mut()
        .take(RELEASE_LEN - 1)
        .zip(release)
    {
        *to = *from;
    }
    KexecMetadata {
        version: VERSION,
        previous_release,
        kexec_count: count.saturating_add(1),
    }
}

#[cfg(test)]
#[path = "tests/metadata.rs"]
mod tests;
