// SPDX-License-Identifier: GPL-2.0

//! Two NUMA nodes, with a boundary that no large page has.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

/// The cases in the program.
const CASES: usize = 13;

/// A socket in a node of 2051 MiB, another in what is left of four gigabytes: debug kernels need that much.
const NODES: [&str; 10] = [
    "-smp",
    "2,sockets=2",
    "-object",
    "memory-backend-ram,id=low,size=2051M",
    "-object",
    "memory-backend-ram,id=high,size=2045M",
    "-numa",
    "node,nodeid=0,cpus=0,memdev=low",
    "-numa",
    "node,nodeid=1,cpus=1,memdev=high",
];

inventory::submit! {
    Scenario::update(
        "two_nodes_keep_their_memory",
        "A machine with two NUMA nodes can be updated",
        run,
    )
    .needs(&[Need::before(Fact::Thp), Need::both(Fact::Numa), Need::both(Fact::X86)])
    .slow()
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_behaviour")
        .memory_mib(4096)
        .cmdline("lu_nodes=2")
        .qemu_args(&NODES).ktap_after_update(CASES))
}
