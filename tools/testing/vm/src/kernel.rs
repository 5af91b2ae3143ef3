// SPDX-License-Identifier: GPL-2.0

//! The kernels of a live update: one of those built here, or any other image.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use anyhow::ensure;

use crate::images::Direction;
use crate::images::Image;
use crate::images::modules_beside;
use crate::images::symbol_of;

/// A bootable kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// One that `make test` and the like build, and name in the environment.
    Built(Image),
    /// Somebody's image.
    Given {
        /// Where it is.
        path: PathBuf,
        /// What it is called in reports and in the names of logs.
        name: String,
    },
}

impl Kernel {
    /// The path of the image.
    pub fn path(&self) -> Result<PathBuf> {
        match self {
            Self::Built(image) => image.path(),
            Self::Given { path, .. } => {
                ensure!(path.is_file(), "{} is no kernel image", path.display());
                Ok(path.clone())
            }
        }
    }

    /// The modules that come with it, in the order in which to load them.
    pub fn modules(&self) -> Result<Vec<PathBuf>> {
        match self {
            Self::Built(_) => Ok(modules_beside(&self.path()?)),
            // Where a distribution has its modules is not known, and what they are for neither.
            Self::Given { .. } => Ok(Vec::new()),
        }
    }

    /// Its table of symbols: `System.map` beside it, or what distributions call `System.map-VERSION`
    /// beside `vmlinuz-VERSION`.
    pub fn symbol_map(&self) -> Result<PathBuf> {
        let path = self.path()?;
        let plain = path.with_file_name("System.map");
        if plain.is_file() {
            return Ok(plain);
        }
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let versioned = name
            .split_once('-')
            .map(|(_, version)| path.with_file_name(format!("System.map-{version}")));
        match versioned.filter(|map| map.is_file()) {
            Some(map) => Ok(map),
            None => anyhow::bail!("there is no System.map beside {}", path.display()),
        }
    }

    /// The address of the only symbol that is `wanted`, without KASLR.
    pub fn symbol(&self, wanted: impl Fn(&str) -> bool) -> Result<u64> {
        symbol_of(&self.symbol_map()?, wanted)
    }
}

impl From<PathBuf> for Kernel {
    /// It is called as the file is.
    fn from(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        Self::Given { path, name }
    }
}

impl From<Image> for Kernel {
    fn from(image: Image) -> Self {
        Self::Built(image)
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Built(image) => write!(f, "{}", image.variant),
            Self::Given { name, .. } => f.write_str(name),
        }
    }
}

/// The kernels before and after a live update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The kernel that is booted.
    pub before: Kernel,
    /// The kernel that it live-updates into.
    pub after: Kernel,
}

impl From<Direction> for Pair {
    fn from(direction: Direction) -> Self {
        Self {
            before: direction.before().into(),
            after: direction.after().into(),
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_to_{}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_called_as_its_direction_is() {
        for direction in Direction::ALL {
            assert_eq!(Pair::from(direction).to_string(), direction.to_string());
        }
        let pair = Pair {
            before: PathBuf::from("/boot/vmlinuz-7.3").into(),
            after: Direction::RustToRust.after().into(),
        };
        assert_eq!(pair.to_string(), "vmlinuz-7.3_to_rust");
    }

    #[test]
    fn a_distribution_keeps_its_symbols_by_version() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("vmlinuz-7.3-amd64");
        std::fs::write(&image, "").unwrap();
        let kernel = Kernel::from(image);
        assert!(kernel.symbol_map().is_err());
        let map = dir.path().join("System.map-7.3-amd64");
        std::fs::write(&map, "ffffffff81000000 T machine_kexec\n").unwrap();
        assert_eq!(kernel.symbol_map().unwrap(), map);
        assert_eq!(
            kernel.symbol(|symbol| symbol == "machine_kexec").unwrap(),
            0xffff_ffff_8100_0000
        );
    }
}
