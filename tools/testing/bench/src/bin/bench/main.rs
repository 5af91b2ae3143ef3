// SPDX-License-Identifier: GPL-2.0

//! Measures live updates of two kernels side by side.

mod cases;
mod chart;
mod cli;
mod clock;
mod guest;
mod json;
mod phase;
mod profile;
mod results;
mod schedule;
mod table;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use clap::Parser;
use lu_vm::Build;
use lu_vm::Image;

use crate::cli::Cli;
use crate::cli::Variant;
use crate::guest::Kernels;

/// The program that is `/init` in both kernels.
const GUEST: &str = "lu-bench-guest";

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    for path in [&cli.json, &cli.svg].into_iter().flatten() {
        prepare(path)?;
    }
    let kernels = kernels(cli)?;
    let runs = schedule::plan(cli);
    let (results, failure) = schedule::execute(cli, &kernels, &runs)?;
    print!("{}", table::report(&results));
    print!("{}", profile::report::report(&results, cli.profile_top));
    if let Some(path) = &cli.json {
        let text = serde_json::to_string_pretty(&json::report(cli, &results))?;
        write(path, &text)?;
    }
    if let Some(path) = &cli.svg {
        write(path, chart::draw(&results).trim_end())?;
    }
    if let Some(error) = failure {
        return Err(error.context("not all was measured"));
    }
    Ok(match verdict::all_excesses(&results)[..] {
        [] => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Makes sure that a file can be written, before an hour goes into what is to be in it.
fn prepare(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("opening {} to write to it", path.display()))?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, format!("{text}\n")).with_context(|| format!("writing {}", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}

/// The kernels of each implementation that is measured.
fn kernels(cli: &Cli) -> Result<BTreeMap<Variant, Kernels>> {
    eprintln!("building the guest's program");
    let guest = lu_vm::rust::static_program(env!("CARGO_MANIFEST_DIR").as_ref(), GUEST)?;
    let kernels = |variant| {
        let before = match &cli.image {
            Some(path) => path.clone(),
            None => image(variant).path()?,
        };
        let after = cli.image_next.clone().unwrap_or_else(|| before.clone());
        let guest = guest.clone();
        Ok((
            variant,
            Kernels {
                before,
                after,
                guest,
            },
        ))
    };
    cli.variants().into_iter().map(kernels).collect()
}

fn image(variant: Variant) -> Image {
    let variant = match variant {
        Variant::Rust | Variant::RustExtents => lu_vm::Variant::Rust,
        Variant::Mainline => lu_vm::Variant::Mainline,
    };
    Image {
        variant,
        build: Build::A,
    }
}
