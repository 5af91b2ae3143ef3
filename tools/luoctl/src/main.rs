// SPDX-License-Identifier: GPL-2.0

//! `luoctl`: live update from the command line.
//!
//! Each subcommand is a module that does its work with the `liveupdate` crate and returns what it
//! found as a serializable value; `output` shows it to people or as JSON. Nothing here keeps a
//! session but [`hold`], so that a daemon can take its place.

mod cli;
mod create;
mod hold;
mod index;
mod list;
mod memfd;
mod output;
mod records;
mod retrieve;
mod status;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::cli::Command;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Create(args) => create::run(args, &cli.common),
        Command::List => list::run(&cli.common),
        Command::Retrieve(args) => retrieve::run(args, &cli.common),
        Command::Finish { name } => retrieve::finish(name, &cli.common),
        Command::Status => status::run(&cli.common),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error, cli.common.json);
            ExitCode::FAILURE
        }
    }
}
