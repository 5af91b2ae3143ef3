// SPDX-License-Identifier: GPL-2.0

//! The `newc` cpio format, as far as an initramfs needs it.
//!
//! See Documentation/driver-api/early-userspace/buffer-format.rst in the kernel tree. The same
//! entries give the same bytes: inode numbers count up, times and owners are zero.

use anyhow::Result;
use anyhow::ensure;

/// The file type bits of `st_mode`.
const S_IFDIR: u32 = 0o040_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFREG: u32 = 0o100_000;

/// Entries are padded to this many bytes, the header and the content each.
const ALIGN: usize = 4;

/// An archive that grows by one entry at a time.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Starts an empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory. Its parents must come first.
    pub fn dir(&mut self, path: &str, permissions: u32) -> Result<()> {
        self.entry(path, S_IFDIR | permissions, (0, 0), &[])
    }

    /// Adds a character device.
    pub fn char_device(&mut self, path: &str, permissions: u32, dev: (u32, u32)) -> Result<()> {
        self.entry(path, S_IFCHR | permissions, dev, &[])
    }

    /// Adds a regular file.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> Result<()> {
        self.entry(path, S_IFREG | permissions, (0, 0), content)
    }

    /// Ends the archive and gives its bytes.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, path: &str, mode: u32, dev: (u32, u32), content: &[u8]) -> Result<()> {
        let name = path.trim_start_matches('/');
        ensure!(
            !name.is_empty(),
            "an initramfs entry needs a name, got {path:?}"
        );
        ensure!(!name.contains('\0'), "the name of {path:?} has a NUL in it");
        ensure!(
            u32::try_from(content.len()).is_ok(),
            "{path} has {} bytes, newc cannot hold more than 4 GiB - 1",
            content.len()
        );
        self.entries += 1;
        let links = if mode & S_IFDIR != 0 { 2 } else { 1 };
        let fields = [
            self.entries, // c_ino
            mode,
            0, // c_uid
            0, // c_gid
            links,
            0, // c_mtime
            content.len() as u32,
            0, // c_maj
            0, // c_min
            dev.0,
            dev.1,
            name.len() as u32 + 1,
            0, // c_chksum, unused in this flavour
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut archive = Archive::new();
        archive.dir("/dev", 0o755).unwrap();
        archive.char_device("/dev/console", 0o600, (5, 1)).unwrap();
        archive.file("/init", 0o755, b"hello").unwrap();
        archive.finish().unwrap()
    }

    #[test]
    fn the_same_entries_give_the_same_bytes() {
        assert_eq!(sample(), sample());
    }

    #[test]
    fn a_header_has_110_bytes_and_the_entries_are_aligned() {
        let bytes = sample();
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[110..114], b"dev\0");
        // 110 + 4 is padded to 116, where the next header starts.
        assert_eq!(&bytes[116..122], b"070701");
        assert_eq!(bytes.len() % ALIGN, 0);
    }

    #[test]
    fn a_device_carries_its_type_and_number() {
        let bytes = sample();
        let second = &bytes[116..];
        assert_eq!(&second[14..22], b"00002180");
        // c_rmajor and c_rminor are fields 9 and 10.
        assert_eq!(&second[6 + 9 * 8..6 + 11 * 8], b"0000000500000001");
    }

    #[test]
    fn nameless_entries_are_refused() {
        assert!(Archive::new().file("/", 0o644, b"").is_err());
        assert!(Archive::new().file("a\0b", 0o644, b"").is_err());
    }
}
