// SPDX-License-Identifier: GPL-2.0

//! Programs that run in the guest, built from C for the occasion.
//!
//! They use nolibc from the kernel tree, as mainline's own VM tests do: no C library is needed on the
//! host, and clang builds them for any architecture.

use std::env;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::arch::Arch;
use crate::images;
use crate::places;

/// Compilers that will do, the first found in `PATH` is taken unless `CC` names one.
const COMPILERS: &[&str] = &["gcc", "clang", "clang-22", "cc"];

/// Where a program's source is.
#[derive(Clone, Debug)]
enum Source {
    /// A file of the kernel tree's `tools/testing/selftests`, built unmodified.
    Mainline(PathBuf),
    /// A file of this repository.
    Ours(PathBuf),
}

/// A C program for the guest.
#[derive(Clone, Debug)]
pub struct Program {
    source: Source,
    /// Other sources, and directories of headers, of the kernel tree's selftests.
    extra: Vec<PathBuf>,
    includes: Vec<PathBuf>,
}

impl Program {
    /// A program of mainline's `selftests/liveupdate`, by name.
    pub fn mainline_liveupdate(name: &str) -> Self {
        Self {
            source: Source::Mainline(format!("liveupdate/{name}.c").into()),
            extra: vec!["liveupdate/lib/lu_utils.c".into()],
            includes: vec!["liveupdate/lib/include".into()],
        }
    }

    /// A program of mainline's selftests that needs no library, by its path there.
    pub fn mainline(path: &str) -> Self {
        Self {
            source: Source::Mainline(path.into()),
            extra: vec![],
            includes: vec![],
        }
    }

    /// A program of this repository's `tools/testing/selftests/liveupdate`, by name.
    pub fn ours(name: &str) -> Self {
        Self::in_repository(&format!("tools/testing/selftests/liveupdate/{name}.c"))
    }

    /// A program of this repository, by path.
    pub fn in_repository(path: &str) -> Self {
        Self {
            source: Source::Ours(path.into()),
            extra: vec![],
            includes: vec![".".into()],
        }
    }

    /// Compiles it to `output`.
    pub fn build(&self, arch: Arch, output: &Path) -> Result<()> {
        let kernel = images::kernel_source()?;
        let selftests = kernel.join("tools/testing/selftests");
        let source = match &self.source {
            Source::Mainline(path) => selftests.join(path),
            Source::Ours(path) => places::repository()?.join(path),
        };
        ensure!(
            source.is_file(),
            "there is no {} to build a guest program from",
            source.display()
        );
        let mut command = compiler(arch)?;
        command
            .args(["-static", "-O2", "-nostdinc", "-nostdlib"])
            .args([
                "-fno-asynchronous-unwind-tables",
                "-fno-ident",
                "-fno-stack-protector",
            ])
            // Mainline's programs are not ours to clean up.
            .arg(if matches!(self.source, Source::Ours(_)) {
                "-Wall"
            } else {
                "-w"
            })
            .arg("-I")
            .arg(headers(arch, &kernel)?)
            .arg("-I")
            .arg(kernel.join("tools/include/nolibc"));
        for include in &self.includes {
            command.arg("-I").arg(selftests.join(include));
        }
        if arch == Arch::Arm64 {
            // Atomics are calls into the compiler's library otherwise, which is not there.
            command.arg("-mno-outline-atomics");
        }
        command.arg("-o").arg(output).arg(source);
        command.args(self.extra.iter().map(|path| selftests.join(path)));
        run(&mut command)
    }
}

/// The compiler for guests of `arch`.
fn compiler(arch: Arch) -> Result<Command> {
    let chosen = env::var("CC").ok().filter(|cc| !cc.is_empty());
    let name = match chosen {
        Some(cc) => cc,
        None if arch.is_foreign() => foreign_compiler(arch)?,
        None => find(COMPILERS)
            .with_context(|| format!("no C compiler found, looked for {}", COMPILERS.join(", ")))?,
    };
    let mut words = name.split_whitespace();
    let program = words.next().context("CC is blank")?;
    let mut command = Command::new(program);
    command.args(words);
    if program.contains("clang") {
        command.arg(format!("--target={}", arch.triple()));
        // nolibc has no puts() and the like, which clang makes of printf().
        command.args(["-fuse-ld=lld", "-fno-builtin"]);
    }
    Ok(command)
}

fn foreign_compiler(arch: Arch) -> Result<String> {
    let gcc = format!("{}-gcc", arch.triple());
    find(&["clang", "clang-22", &gcc])
        .with_context(|| format!("no compiler for {arch:?} found: install clang and lld, or {gcc}"))
}

fn find(names: &[&str]) -> Option<String> {
    let path = env::var_os("PATH")?;
    names
        .iter()
        .find(|name| env::split_paths(&path).any(|dir| dir.join(name).is_file()))
        .map(|name| (*name).to_owned())
}

/// The kernel's userspace headers, made on first use and kept in the output directory.
fn headers(arch: Arch, kernel: &Path) -> Result<PathBuf> {
    let dir = places::output_dir()?.join("vm-headers").join(arch.kbuild());
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("locking {}", dir.display()))?;

    // The stamp is written last, so a run that was cut short is done again.
    let stamp = dir.join("made-from");
    let wanted = format!("{}\n{}", kernel.display(), kernel_version(kernel)?);
    let include = dir.join("build/usr/include");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && include.is_dir() {
        return Ok(include);
    }
    run(Command::new("make")
        .args(["-s", "-C"])
        .arg(kernel)
        .arg(format!("O={}", dir.join("build").display()))
        .arg(format!("ARCH={}", arch.kbuild()))
        .arg(format!(
            "HOSTCC={}",
            find(COMPILERS).context("no C compiler found")?
        ))
        .arg("headers")
        .env_remove("MAKEFLAGS"))?;
    fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
    drop(lock);
    Ok(include)
}

/// The lines of the kernel's Makefile that hold its version.
fn kernel_version(kernel: &Path) -> Result<String> {
    let path = kernel.join("Makefile");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text
        .lines()
        .take_while(|line| !line.starts_with("NAME"))
        .collect::<Vec<_>>()
        .join("\n"))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
