// SPDX-License-Identifier: GPL-2.0

//! Where logs and built programs go, and how many guests may run at once.

use std::env;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

/// Guests that may run at once, unless `LU_VM_JOBS` says otherwise.
const DEFAULT_JOBS: usize = 2;

/// The memory of a guest in MiB.
const DEFAULT_MEMORY_MIB: u32 = 1024;

/// How long a test waits for its turn before it gives up.
const TURN_DEADLINE: Duration = Duration::from_secs(1800);

/// Cargo marks its target directory with this file.
const TARGET_MARK: &str = "CACHEDIR.TAG";

/// The directory for everything that the harness writes: `LU_VM_DIR`, or cargo's target directory.
pub fn output_dir() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("LU_VM_DIR").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir));
    }
    let exe = env::current_exe().context("finding the path of this program")?;
    exe.ancestors()
        .find(|dir| dir.join(TARGET_MARK).is_file())
        .map(Path::to_path_buf)
        .with_context(|| {
            format!(
                "{} is not below cargo's target directory; set LU_VM_DIR to a directory for logs",
                exe.display()
            )
        })
}

/// An empty directory for the logs of one test, `vm-logs/<name>` below [`output_dir`].
pub fn log_dir(name: &str) -> Result<PathBuf> {
    let dir = output_dir()?.join("vm-logs").join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir)
            .with_context(|| format!("removing the logs of the last run in {}", dir.display()))?;
    }
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}

/// This repository.
pub fn repository() -> Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = manifest.join("../../..");
    root.canonicalize()
        .with_context(|| format!("finding the repository at {}", root.display()))
}

/// A guest with more memory than this, in MiB, runs alone: most hosts have no room for two of them.
const LARGE_MIB: u32 = 4096;

/// The right to run one guest; given back on drop, and by the system if the process dies.
pub struct Turn {
    _locks: Vec<File>,
}

impl Turn {
    /// Waits until fewer guests run than may, or none if this one has so much memory that it runs alone.
    ///
    /// One lock file stands for one guest. A thread waits for each of them; the first to get its
    /// lock wins, and the others let go of theirs as soon as they have it. Who wants all takes them in order,
    /// so that two such do not wait for each other.
    pub fn wait(memory_mib: u32) -> Result<Self> {
        let dir = output_dir()?.join("vm-turns");
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        let files: Vec<PathBuf> = (0..jobs()?)
            .map(|slot| dir.join(slot.to_string()))
            .collect();
        let wanted: Vec<Vec<PathBuf>> = match memory_mib > LARGE_MIB {
            true => vec![files],
            false => files.into_iter().map(|file| vec![file]).collect(),
        };
        let (sender, receiver) = mpsc::channel();
        for paths in wanted {
            let sender = sender.clone();
            thread::spawn(move || {
                let locks: Result<Vec<File>> = paths.iter().map(|path| lock(path)).collect();
                // Nobody listens any more once another thread was faster: the locks drop here.
                let _ = sender.send(locks);
            });
        }
        match receiver.recv_timeout(TURN_DEADLINE) {
            Ok(locks) => Ok(Self { _locks: locks? }),
            Err(_) => bail!(
                "waited {} minutes for other guests to end; the locks are in {}",
                TURN_DEADLINE.as_secs() / 60,
                dir.display()
            ),
        }
    }
}

fn lock(path: &Path) -> Result<File> {
    File::create(path)
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("locking {}", path.display()))
}

/// How many times longer than usual everything may take: `LU_VM_PATIENCE`, for kernels that are slow.
pub fn patience() -> Result<u32> {
    match env::var("LU_VM_PATIENCE") {
        Ok(text) => match text.parse() {
            Ok(times) if times > 0 => Ok(times),
            _ => bail!("LU_VM_PATIENCE={text} must be a number, 1 or more"),
        },
        Err(_) => Ok(1),
    }
}

/// The memory of a guest in MiB, where the test does not say: `LU_VM_MEMORY_MIB`, for kernels that need
/// more themselves, or 1 GiB.
pub fn memory_mib() -> Result<u32> {
    match env::var("LU_VM_MEMORY_MIB") {
        Ok(text) => match text.parse() {
            Ok(mib) if mib > 0 => Ok(mib),
            _ => bail!("LU_VM_MEMORY_MIB={text} must be a number of MiB"),
        },
        Err(_) => Ok(DEFAULT_MEMORY_MIB),
    }
}

/// What kernels of all tests are told, before what the test tells them: `LU_VM_CMDLINE`.
pub fn cmdline() -> Option<String> {
    env::var("LU_VM_CMDLINE")
        .ok()
        .filter(|text| !text.is_empty())
}

/// How many guests may run at once: `LU_VM_JOBS`, or two.
pub fn jobs() -> Result<usize> {
    match env::var("LU_VM_JOBS") {
        Ok(text) => match text.parse() {
            Ok(jobs) if jobs > 0 => Ok(jobs),
            _ => bail!("LU_VM_JOBS={text} must be a number of guests, 1 or more"),
        },
        Err(_) => Ok(DEFAULT_JOBS),
    }
}
