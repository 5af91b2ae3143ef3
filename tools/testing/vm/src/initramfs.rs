// SPDX-License-Identifier: GPL-2.0

//! What a guest finds in its root directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::cpio::Archive;

/// Permissions of directories, programs and data.
const DIR: u32 = 0o755;
const PROGRAM: u32 = 0o755;
const DATA: u32 = 0o644;
const DEVICE: u32 = 0o600;

enum Entry {
    Dir,
    Device(u32, u32),
    File { permissions: u32, content: Vec<u8> },
}

/// A root file system to be.
///
/// Entries are kept sorted by path, so the archive does not depend on the order of the calls, and
/// parents come before their children. Missing parents are added.
#[derive(Default)]
pub struct Initramfs {
    entries: BTreeMap<String, Entry>,
}

impl Initramfs {
    /// Starts with what every guest needs: `/dev/console`, and places to mount things on.
    pub fn new() -> Self {
        let mut root = Self::default();
        for dir in ["/proc", "/sys", "/debugfs", "/tmp"] {
            root.entries.insert(dir.to_owned(), Entry::Dir);
        }
        root.device("/dev/console", 5, 1)
    }

    /// Adds a directory.
    pub fn dir(mut self, path: &str) -> Self {
        self.insert(path, Entry::Dir);
        self
    }

    /// Adds a character device.
    pub fn device(mut self, path: &str, major: u32, minor: u32) -> Self {
        self.insert(path, Entry::Device(major, minor));
        self
    }

    /// Adds a file that may not be executed.
    pub fn data(mut self, path: &str, content: Vec<u8>) -> Self {
        self.insert(
            path,
            Entry::File {
                permissions: DATA,
                content,
            },
        );
        self
    }

    /// Adds an executable from a file of the host.
    pub fn program(self, path: &str, host: &Path) -> Result<Self> {
        self.copy(path, host, PROGRAM)
    }

    /// Adds a file of the host, not executable.
    pub fn file(self, path: &str, host: &Path) -> Result<Self> {
        self.copy(path, host, DATA)
    }

    /// Adds another initramfs as a file, for the kernel after.
    pub fn nested(self, path: &str, inner: Initramfs) -> Result<Self> {
        Ok(self.data(path, inner.build()?))
    }

    /// Gives the cpio archive.
    pub fn build(self) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        for (path, entry) in &self.entries {
            match entry {
                Entry::Dir => archive.dir(path, DIR)?,
                Entry::Device(major, minor) => {
                    archive.char_device(path, DEVICE, (*major, *minor))?
                }
                Entry::File {
                    permissions,
                    content,
                } => archive.file(path, *permissions, content)?,
            }
        }
        archive.finish()
    }

    fn copy(mut self, path: &str, host: &Path, permissions: u32) -> Result<Self> {
        if host.is_dir() {
            bail!(
                "{} is a directory, cannot put it at {path} of the initramfs",
                host.display()
            );
        }
        let content = fs::read(host)
            .with_context(|| format!("reading {} for {path} of the initramfs", host.display()))?;
        self.insert(
            path,
            Entry::File {
                permissions,
                content,
            },
        );
        Ok(self)
    }

    fn insert(&mut self, path: &str, entry: Entry) {
        let mut parent = Path::new(path).parent();
        while let Some(dir) = parent.filter(|dir| dir.parent().is_some()) {
            self.entries
                .entry(dir.display().to_string())
                .or_insert(Entry::Dir);
            parent = dir.parent();
        }
        self.entries.insert(path.to_owned(), entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_calls_does_not_matter() {
        let one = Initramfs::new()
            .dir("/a")
            .data("/b", vec![1])
            .build()
            .unwrap();
        let two = Initramfs::new()
            .data("/b", vec![1])
            .dir("/a")
            .build()
            .unwrap();
        assert_eq!(one, two);
    }

    #[test]
    fn parents_are_added_and_come_first() {
        let bytes = Initramfs::new().data("/x/y/z", vec![]).build().unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let at = |name: &str| {
            text.find(name)
                .unwrap_or_else(|| panic!("{name} is missing"))
        };
        assert!(at("x\0") < at("x/y\0"));
        assert!(at("x/y\0") < at("x/y/z\0"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Initramfs::new()
            .file("/kernel", Path::new("/no/such/image"))
            .err()
            .unwrap();
        assert!(format!("{error:#}").contains("/no/such/image"), "{error:#}");
    }
}
