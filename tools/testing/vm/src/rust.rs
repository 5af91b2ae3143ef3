// SPDX-License-Identifier: GPL-2.0

//! Rust programs of this repository for the guest: one static file each.

use std::env;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::places;

/// A static glibc needs no other target than the host's own, so no rustup either.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the program `bin` of the package in `dir`, without its default features, and gives its path.
///
/// Guests of another architecture would need a target that Debian does not package, so this is for
/// x86_64 only.
pub fn static_program(dir: &Path, bin: &str) -> Result<PathBuf> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "{bin} can be built for x86_64 guests on x86_64 hosts only"
    );
    // A directory of its own: other flags than the host's would have cargo build all anew.
    let target_dir = places::output_dir()?.join("guest");
    // Naming the target keeps the flags from build scripts and procedural macros, which must be dynamic.
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--no-default-features",
        ])
        .args(["--bin", bin, "--target", TARGET, "--manifest-path"])
        .arg(dir.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_dir)
        .env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C strip=symbols",
        )
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .with_context(|| format!("running cargo to build {bin}"))?;
    if !output.status.success() {
        bail!(
            "cargo could not build {bin}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let program = target_dir.join(TARGET).join("release").join(bin);
    ensure!(
        program.is_file(),
        "cargo built no {}, though it said nothing",
        program.display()
    );
    Ok(program)
}
