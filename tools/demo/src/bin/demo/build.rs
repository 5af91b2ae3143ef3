// SPDX-License-Identifier: GPL-2.0

//! Builds the guest's program: one static file, the whole userspace of the guest.

use std::env;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

const PROGRAM: &str = "lu-demo-guest";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds it, and gives its path.
pub(crate) fn guest() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    // A directory of its own: other flags than the host's would have cargo build all anew.
    let dir = lu_vm::places::output_dir()?.join("guest");
    // A static glibc needs no other target than the host's, so no rustup either. Naming the target
    // keeps the flags from build scripts and procedural macros, which must be dynamic.
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--no-default-features",
        ])
        .args(["--bin", PROGRAM, "--target", TARGET, "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&dir)
        .env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C strip=symbols",
        )
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .context("running cargo to build the guest's program")?;
    if !output.status.success() {
        bail!(
            "cargo could not build the guest's program:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let program = dir.join(TARGET).join("release").join(PROGRAM);
    ensure!(program.is_file(), "cargo built no {}", program.display());
    Ok(program)
}
