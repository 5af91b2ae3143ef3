// SPDX-License-Identifier: GPL-2.0

//! Measures live updates of two kernels side by side.

mod cases;
mod cli;
mod clock;
mod guest;
mod phase;
mod results;
mod schedule;
mod table;

use std::collections::BTreeMap;
use std::process::ExitCode;

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
    let kernels = kernels(cli)?;
    let runs = schedule::plan(cli);
    let results = schedule::execute(cli, &kernels, &runs)?;
    print!("{}", table::memory(cli, &results));
    Ok(ExitCode::SUCCESS)
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
        Variant::Rust => lu_vm::Variant::Rust,
        Variant::Mainline => lu_vm::Variant::Mainline,
    };
    Image {
        variant,
        build: Build::A,
    }
}
