// SPDX-License-Identifier: GPL-2.0

//! Which kernels to boot, and from which to which.

use std::env;
use std::fmt;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

/// Whose implementation of `kernel/liveupdate` a kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// This repository.
    Rust,
    /// The C code of the same kernel version.
    Mainline,
    /// This repository with mainline's memfd handler, in C: proves the interface for handlers.
    RustCMemfd,
}

/// Which of two builds that differ in `uname -r` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// The kernel before the live update.
    A,
    /// The kernel after it.
    B,
}

/// A bootable kernel image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Whose implementation it has.
    pub variant: Variant,
    /// Which of the two builds it is.
    pub build: Build,
}

impl Image {
    /// The environment variable that holds the path of this image.
    pub fn variable(self) -> &'static str {
        match (self.variant, self.build) {
            (Variant::Rust, Build::A) => "LU_IMAGE_RUST_A",
            (Variant::Rust, Build::B) => "LU_IMAGE_RUST_B",
            (Variant::Mainline, Build::A) => "LU_IMAGE_MAINLINE_A",
            (Variant::Mainline, Build::B) => "LU_IMAGE_MAINLINE_B",
            (Variant::RustCMemfd, Build::A) => "LU_IMAGE_RUST_CMEMFD_A",
            (Variant::RustCMemfd, Build::B) => "LU_IMAGE_RUST_CMEMFD_B",
        }
    }

    /// The path of this image.
    pub fn path(self) -> Result<PathBuf> {
        file_from_env(self.variable(), "a bootable kernel image")
    }

    /// The modules that come with this image, in the order in which to load them.
    pub fn modules(self) -> Result<Vec<PathBuf>> {
        Ok(modules_beside(&self.path()?))
    }
}

/// The modules in `modules/` beside an image: `0.ko`, `1.ko` and so on.
pub(crate) fn modules_beside(image: &Path) -> Vec<PathBuf> {
    let dir = image.with_file_name("modules");
    let modules = (0..).map(|number| dir.join(format!("{number}.ko")));
    modules.take_while(|module| module.is_file()).collect()
}

/// The address of the only symbol in the file `map` that is `wanted`.
pub(crate) fn symbol_of(map: &Path, wanted: impl Fn(&str) -> bool) -> Result<u64> {
    let text = fs::read_to_string(map).with_context(|| format!("reading {}", map.display()))?;
    only_symbol(&text, wanted).with_context(|| format!("looking into {}", map.display()))
}

/// Lines of System.map are an address, a letter and a name.
fn only_symbol(map: &str, wanted: impl Fn(&str) -> bool) -> Result<u64> {
    let found: Vec<&str> = map
        .lines()
        .filter(|line| line.splitn(3, ' ').nth(2).is_some_and(&wanted))
        .collect();
    let [line] = found[..] else {
        bail!("{} symbols fit, one should: {found:?}", found.len());
    };
    let address = line.split(' ').next().unwrap_or_default();
    u64::from_str_radix(address, 16).with_context(|| format!("reading {line:?}"))
}

/// From whose kernel to whose a live update goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This repository on both sides.
    RustToRust,
    /// A machine that starts using this repository.
    MainlineToRust,
    /// A machine that goes back.
    RustToMainline,
    /// The peer alone: shows that the harness is right.
    MainlineToMainline,
}

impl Direction {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::RustToRust,
        Self::MainlineToRust,
        Self::RustToMainline,
        Self::MainlineToMainline,
    ];

    /// The kernel that is booted.
    pub fn before(self) -> Image {
        let variant = match self {
            Self::RustToRust | Self::RustToMainline => Variant::Rust,
            Self::MainlineToRust | Self::MainlineToMainline => Variant::Mainline,
        };
        Image {
            variant,
            build: Build::A,
        }
    }

    /// The kernel that it live-updates into.
    pub fn after(self) -> Image {
        let variant = match self {
            Self::RustToRust | Self::MainlineToRust => Variant::Rust,
            Self::RustToMainline | Self::MainlineToMainline => Variant::Mainline,
        };
        Image {
            variant,
            build: Build::B,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RustToRust => "rust_to_rust",
            Self::MainlineToRust => "mainline_to_rust",
            Self::RustToMainline => "rust_to_mainline",
            Self::MainlineToMainline => "mainline_to_mainline",
        })
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::Mainline => "mainline",
            Self::RustCMemfd => "rust_cmemfd",
        })
    }
}

/// The pristine kernel tree, whose own tests are built from it.
pub fn kernel_source() -> Result<PathBuf> {
    let path = path_from_env("LU_KERNEL_SOURCE", "the pristine kernel source tree")?;
    ensure!(
        path.join("tools/testing/selftests/liveupdate").is_dir(),
        "LU_KERNEL_SOURCE={} is not a kernel tree with selftests/liveupdate; run `make test`, \
         which fetches the right one and sets the variable",
        path.display()
    );
    Ok(path)
}

fn file_from_env(variable: &str, what: &str) -> Result<PathBuf> {
    let path = path_from_env(variable, what)?;
    ensure!(
        path.is_file(),
        "{variable}={} is not a file; run `make test`, which builds the images and sets the variable",
        path.display()
    );
    Ok(path)
}

fn path_from_env(variable: &str, what: &str) -> Result<PathBuf> {
    let value = env::var_os(variable).unwrap_or_default();
    ensure!(
        !value.is_empty(),
        "{variable} is not set: it must hold the path of {what}. Run `make test`, which makes what \
         is missing and sets it"
    );
    Ok(PathBuf::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_says_whose_kernel_comes_first() {
        let first = Direction::MainlineToRust.before();
        let second = Direction::MainlineToRust.after();
        assert_eq!((first.variant, first.build), (Variant::Mainline, Build::A));
        assert_eq!((second.variant, second.build), (Variant::Rust, Build::B));
        assert_eq!(first.variable(), "LU_IMAGE_MAINLINE_A");
        assert_eq!(second.variable(), "LU_IMAGE_RUST_B");
    }

    #[test]
    fn a_symbol_must_be_the_only_one_of_its_kind() {
        let map = "ffffffff81000000 T one\nffffffff81000010 t two\nffffffff81000020 t two.cold\n";
        assert_eq!(
            only_symbol(map, |symbol| symbol == "two").unwrap(),
            0xffff_ffff_8100_0010
        );
        assert!(only_symbol(map, |symbol| symbol.starts_with("two")).is_err());
        assert!(only_symbol(map, |symbol| symbol == "three").is_err());
    }

    #[test]
    fn a_missing_variable_says_what_to_run() {
        let error = file_from_env("LU_NO_SUCH_VARIABLE", "an image")
            .unwrap_err()
            .to_string();
        assert!(error.contains("LU_NO_SUCH_VARIABLE is not set"), "{error}");
        assert!(error.contains("make test"), "{error}");
    }
}
