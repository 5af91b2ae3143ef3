// SPDX-License-Identifier: GPL-2.0

//! A machine with much memory: the kernel initialises its pages when processors are there to help.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 13;

inventory::submit! {
    Scenario {
        name: "eight_gigabytes_are_initialised_once",
        about: "A machine with 8 GiB of memory, most of which is initialised late in boot, can be updated",
        covers: &["kho-6"],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Works,
        effort: Effort::Long,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_behaviour").memory_mib(8192).cpus(4).ktap_after_update(CASES))
}
