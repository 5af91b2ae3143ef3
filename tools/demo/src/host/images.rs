// SPDX-License-Identifier: GPL-2.0

//! Which kernels to boot.

use std::env;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Result;
use anyhow::ensure;
use clap::ValueEnum;
use lu_vm::Build;

/// Whose implementation a kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// This repository.
    Rust,
    /// This repository, with mainline's C handler of memfds.
    RustCmemfd,
    /// The C code of the same kernel version.
    Mainline,
}

impl Side {
    /// The environment variable that holds the path of an image.
    fn variable(self, build: Build) -> String {
        let side = match self {
            Self::Rust => "RUST",
            Self::RustCmemfd => "RUST_CMEMFD",
            Self::Mainline => "MAINLINE",
        };
        match build {
            Build::A => format!("LU_IMAGE_{side}_A"),
            Build::B => format!("LU_IMAGE_{side}_B"),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::RustCmemfd => "Rust, memfds in C",
            Self::Mainline => "mainline",
        })
    }
}

/// A kernel image and what is known of it without booting it.
#[derive(Debug)]
pub struct Kernel {
    /// Where it is.
    pub path: PathBuf,
    side: Side,
    /// `uname -r`, if the image says so.
    pub release: Option<String>,
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.release {
            Some(release) => write!(f, "{release} ({})", self.side),
            None => write!(f, "{} ({})", self.path.display(), self.side),
        }
    }
}

/// Finds the image of one side.
///
/// # Errors
///
/// The variable for it is not set, or names no file.
pub fn find(side: Side, build: Build) -> Result<Kernel> {
    let variable = side.variable(build);
    let path = path(&variable, "a bootable kernel image")?;
    ensure!(
        path.is_file(),
        "{variable}={} is not a file",
        path.display()
    );
    Ok(Kernel {
        release: release(&path),
        side,
        path,
    })
}

/// Finds the kernel's source.
///
/// # Errors
///
/// The variable for it is not set, or names no kernel source.
pub fn source() -> Result<PathBuf> {
    let path = path("LU_KERNEL_SOURCE", "the kernel's source")?;
    ensure!(
        path.join("Documentation").is_dir(),
        "LU_KERNEL_SOURCE={} has no Documentation directory",
        path.display()
    );
    Ok(path)
}

fn path(variable: &str, what: &str) -> Result<PathBuf> {
    let value = env::var_os(variable).unwrap_or_default();
    ensure!(
        !value.is_empty(),
        "{variable} is not set; it must hold the path of {what}. `make demo` and \
         `make demo-vfio` make what is missing and set it"
    );
    Ok(value.into())
}

/// Reads the version out of an x86 bzImage; see Documentation/arch/x86/boot.rst.
fn release(path: &Path) -> Option<String> {
    const MAGIC_AT: u64 = 0x202;
    const VERSION_POINTER_AT: u64 = 0x20e;
    /// The pointer counts from here.
    const SETUP: u64 = 0x200;

    let file = File::open(path).ok()?;
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, MAGIC_AT).ok()?;
    if &magic != b"HdrS" {
        return None;
    }
    let mut pointer = [0; 2];
    file.read_exact_at(&mut pointer, VERSION_POINTER_AT).ok()?;
    let mut text = [0; 128];
    let at = u64::from(u16::from_le_bytes(pointer)) + SETUP;
    file.read_exact_at(&mut text, at).ok()?;
    let end = text.iter().position(|&byte| byte == b' ' || byte == 0)?;
    String::from_utf8(text[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_where_the_boot_protocol_puts_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let mut image = vec![0; 0x1000];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x0c00u16.to_le_bytes());
        image[0xe00..0xe0f].copy_from_slice(b"7.3.4-a (x@y) #");
        std::fs::write(&path, &image).unwrap();
        assert_eq!(release(&path).as_deref(), Some("7.3.4-a"));

        image[0x202] = b'x';
        std::fs::write(&path, &image).unwrap();
        assert_eq!(release(&path), None);
        assert_eq!(release(&dir.path().join("none")), None);
    }
}
