// SPDX-License-Identifier: GPL-2.0

//! Files in memory, which the kernel can preserve.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::MemfdFlags;
use sha2::Digest;
use sha2::Sha256;

/// Bytes that are copied at once.
const CHUNK: usize = 64 * 1024;

/// How much was copied, and its SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Copies everything that `from` still has, and computes its digest on the way.
pub(crate) fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<Copied> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..count]);
        to.write_all(&chunk[..count])?;
        bytes += count as u64;
    }
    Ok(Copied {
        bytes,
        sha256: format!("{:x}", hasher.finalize()),
    })
}

/// Makes a memfd with what `from` still has, positioned at its start.
pub(crate) fn from_reader(name: &str, from: &mut impl Read) -> io::Result<(OwnedFd, Copied)> {
    // The name is for people who look at /proc; the kernel takes 249 bytes without NUL.
    let name: String = name.chars().filter(|&c| c != '\0').take(60).collect();
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(fd);
    let copied = copy(from, &mut file)?;
    file.rewind()?;
    Ok((file.into(), copied))
}

/// Reads a whole memfd from its start, unless it has more than `limit` bytes.
pub(crate) fn read_all(fd: OwnedFd, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = File::from(fd);
    file.rewind()?;
    let mut content = Vec::new();
    (&file).take(limit).read_to_end(&mut content)?;
    if file.read(&mut [0])? != 0 {
        let text = format!("has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_digest_survive() {
        let content = b"abc".repeat(50_000);
        let (fd, copied) = from_reader("naïve name", &mut content.as_slice()).unwrap();
        assert_eq!(copied.bytes, 150_000);
        assert_eq!(read_all(fd, 150_000).unwrap(), content);

        let abc = copy(&mut b"abc".as_slice(), &mut io::sink()).unwrap();
        assert!(abc.sha256.starts_with("ba7816bf8f01cfea"));
    }

    #[test]
    fn too_much_is_an_error_not_a_prefix() {
        let (fd, _) = from_reader("x", &mut b"abcd".as_slice()).unwrap();
        assert!(read_all(fd, 3).is_err());
    }
}
