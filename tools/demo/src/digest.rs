// SPDX-License-Identifier: GPL-2.0

//! SHA-256 of single files, and of all data together.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use sha2::Digest;
use sha2::Sha256;

use crate::data::CHUNK;

/// From this size on a file's own digest is computed on another processor than that of all data.
const PARALLEL_BYTES: u64 = 16 << 20;

/// SHA-256 of all data: of each file in turn its session, token and size, and its content.
#[derive(Clone, Debug, Default)]
pub struct Total {
    hasher: Sha256,
    files: u64,
    bytes: u64,
}

impl Total {
    /// Starts the next file.
    pub fn begin(&mut self, session: &str, token: u64, bytes: u64) {
        let head = format!("{session} {token} {bytes}\n");
        self.hasher.update(head.as_bytes());
        self.files += 1;
        self.bytes += bytes;
    }

    /// Adds content of the file that was begun.
    pub fn content(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
    }

    /// How many files there are.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files
    }

    /// How many bytes they have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest in hexadecimal.
    #[must_use]
    pub fn finish(self) -> String {
        hex(self.hasher)
    }
}

/// A digest in hexadecimal.
#[must_use]
pub fn hex(hasher: Sha256) -> String {
    format!("{:x}", hasher.finalize())
}

/// Adds a whole file to the digest of all data, and gives its own.
///
/// # Errors
///
/// The file cannot be read, or does not have `bytes` bytes.
pub fn add_file(
    total: &mut Total,
    session: &str,
    token: u64,
    file: &File,
    bytes: u64,
) -> io::Result<String> {
    total.begin(session, token, bytes);
    if bytes < PARALLEL_BYTES {
        let mut own = Sha256::new();
        read(file, bytes, |chunk| {
            own.update(chunk);
            total.content(chunk);
        })?;
        return Ok(hex(own));
    }
    std::thread::scope(|scope| {
        let own = scope.spawn(|| of_file(file, bytes));
        read(file, bytes, |chunk| total.content(chunk))?;
        own.join()
            .map_err(|_| io::Error::other("the thread that hashes died"))?
    })
}

/// SHA-256 of a file in hexadecimal.
///
/// # Errors
///
/// The file cannot be read, or does not have `bytes` bytes.
pub fn of_file(file: &File, bytes: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    read(file, bytes, |chunk| hasher.update(chunk))?;
    Ok(hex(hasher))
}

/// Reads a file from its start whatever its position is, and makes sure of its size.
fn read(file: &File, bytes: u64, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut at = 0;
    loop {
        match file.read_at(&mut chunk, at)? {
            0 if at == bytes => return Ok(()),
            0 => return Err(size_error(at, bytes)),
            count => {
                sink(&chunk[..count]);
                at += count as u64;
            }
        }
    }
}

fn size_error(found: u64, expected: u64) -> io::Error {
    let text = format!("the file has {found} bytes, expected {expected}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn both_ways_of_reading_agree() {
        let content = vec![0x5a; usize::try_from(PARALLEL_BYTES).unwrap() + 3];
        let bytes = content.len() as u64;
        let mut total = Total::default();
        let own = add_file(&mut total, "s", 1, &file(&content), bytes).unwrap();
        assert_eq!(own, hex(Sha256::new_with_prefix(&content)));

        let mut again = Total::default();
        again.begin("s", 1, bytes);
        again.content(&content);
        assert_eq!(total.bytes(), bytes);
        assert_eq!(total.finish(), again.finish());
    }

    #[test]
    fn a_byte_more_or_less_is_an_error() {
        let mut total = Total::default();
        assert!(add_file(&mut total, "s", 1, &file(b"abc"), 2).is_err());
        assert!(add_file(&mut total, "s", 1, &file(b"abc"), 4).is_err());
        let own = add_file(&mut total, "s", 1, &file(b"abc"), 3).unwrap();
        assert!(own.starts_with("ba7816bf"));
    }

    #[test]
    fn where_a_byte_is_matters() {
        let total = |files: &[(&str, u64, &[u8])]| {
            let mut total = Total::default();
            for (session, token, content) in files {
                add_file(
                    &mut total,
                    session,
                    *token,
                    &file(content),
                    content.len() as u64,
                )
                .unwrap();
            }
            total.finish()
        };
        let one = total(&[("s", 1, b"ab"), ("s", 2, b"c")]);
        assert_ne!(one, total(&[("s", 1, b"a"), ("s", 2, b"bc")]));
        assert_ne!(one, total(&[("s", 2, b"ab"), ("s", 1, b"c")]));
        assert_ne!(one, total(&[("t", 1, b"ab"), ("s", 2, b"c")]));
        assert_eq!(one, total(&[("s", 1, b"ab"), ("s", 2, b"c")]));
    }
}
