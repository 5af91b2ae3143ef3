// SPDX-License-Identifier: GPL-2.0

//! Memory cgroups.

use anyhow::Result;
use lu_vm::Splats;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "memory_limits_hold_for_retrieved_memfds",
        "A memfd is charged to the memory cgroup that retrieves it, and one that exceeds its limit is refused",
        run,
    )
    .covers(&["memfd-6"])
    .needs(&[Need::both(Fact::Memcg)])
}

fn run(run: &Run<'_>) -> Result<()> {
    // Who exceeds a limit is killed, and the kernel says why.
    let splats = ["invoked oom-killer", "Memory cgroup out of memory"]
        .into_iter()
        .fold(Splats::none_allowed().allow_backtraces(), Splats::allow);
    passes(run.update("memfd_memcg").splats(splats).ktap_after_update(1))
}
