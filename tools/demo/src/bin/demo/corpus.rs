// SPDX-License-Identifier: GPL-2.0

//! The files to preserve, and what their digest must be.

use std::convert::Infallible;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use lu_demo::data;
use lu_demo::digest;
use lu_demo::digest::Total;
use lu_demo::files;
use lu_demo::files::BIG_SESSION;

/// Files larger than this are left out: the initramfs has to fit into memory twice.
const MAX_BYTES: u64 = 1 << 20;

/// Files of the kernel's Documentation/.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// The name within the guest, and where the file is. Sorted by name, as the guest sorts them.
    files: Vec<(String, PathBuf)>,
}

/// What the host expects to come back.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// Sessions, that of the large file and that of the index among them.
    pub(crate) sessions: u64,
}

impl Corpus {
    /// Chooses `count` files, spread evenly over all there are.
    pub(crate) fn choose(source: &Path, count: u32) -> Result<Self> {
        let root = source.join("Documentation");
        let mut all = Vec::new();
        walk(&root, &root, &mut all)?;
        let wanted = usize::try_from(count)?;
        ensure!(
            all.len() >= wanted,
            "{} has {} files fit to be preserved, {wanted} were asked for",
            root.display(),
            all.len()
        );
        all.sort_by(|(_, a), (_, b)| a.cmp(b));
        let total = all.len();
        let mut files: Vec<_> = (0..wanted)
            .map(|number| all[number * total / wanted].clone())
            .collect();
        // By path, component by component, which is not the order of the strings.
        files.sort_by(|(a, _), (b, _)| Path::new(a).cmp(Path::new(b)));
        Ok(Self { files })
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files
            .iter()
            .map(|(name, path)| (name.as_str(), path.as_path()))
    }

    /// Computes what the guest must arrive at, from the files themselves and the seed.
    pub(crate) fn digest(&self, sessions: u32, seed: u64, big_bytes: u64) -> Result<Expected> {
        let mut total = Total::default();
        for (number, (_, path)) in self.files.iter().enumerate() {
            let read = || -> std::io::Result<()> {
                let file = File::open(path)?;
                let bytes = file.metadata()?.len();
                let (session, token) = files::place(number, sessions);
                digest::add_file(&mut total, &session, token, &file, bytes)?;
                Ok(())
            };
            let mut read = read;
            read().with_context(|| format!("reading {}", path.display()))?;
        }
        total.begin(BIG_SESSION, 1, big_bytes);
        let Ok(()) = data::generate(seed, big_bytes, |chunk| {
            total.content(chunk);
            Ok::<_, Infallible>(())
        });
        let used = u64::from(sessions).min(self.files.len() as u64);
        Ok(Expected {
            files: total.files(),
            bytes: total.bytes(),
            sha256: total.finish(),
            sessions: used + 2,
        })
    }
}

fn walk(root: &Path, dir: &Path, all: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let reading = || format!("reading {}", dir.display());
    for entry in fs::read_dir(dir).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let path = entry.path();
        // Links are left out: they would be the same file twice.
        let meta = entry.metadata().with_context(reading)?;
        if meta.is_dir() {
            walk(root, &path, all)?;
        } else if meta.is_file() && meta.len() <= MAX_BYTES {
            if let Some(name) = path.strip_prefix(root)?.to_str() {
                all.push((name.to_owned(), path.clone()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join("Documentation").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }

    #[test]
    fn files_are_chosen_evenly_and_sorted_by_path() {
        let dir = tree(&[("a/z", "1"), ("a.b", "2"), ("c", "3"), ("d", "4")]);
        let names = |count| {
            let corpus = Corpus::choose(dir.path(), count).unwrap();
            let names: Vec<_> = corpus.files().map(|(name, _)| name.to_owned()).collect();
            names
        };
        assert_eq!(names(4), ["a/z", "a.b", "c", "d"]);
        assert_eq!(names(2), ["a/z", "c"]);
        assert!(Corpus::choose(dir.path(), 5).is_err());
    }

    #[test]
    fn every_byte_and_the_seed_count() {
        let digest = |content, seed, bytes| {
            let dir = tree(&[("a", content), ("b", "")]);
            let corpus = Corpus::choose(dir.path(), 2).unwrap();
            corpus.digest(24, seed, bytes).unwrap()
        };
        let one = digest("x", 1, 4096);
        assert_eq!((one.files, one.bytes, one.sessions), (3, 4097, 4));
        assert_eq!(one.sha256, digest("x", 1, 4096).sha256);
        assert_ne!(one.sha256, digest("y", 1, 4096).sha256);
        assert_ne!(one.sha256, digest("x", 2, 4096).sha256);
        assert_ne!(one.sha256, digest("x", 1, 4095).sha256);
    }
}
