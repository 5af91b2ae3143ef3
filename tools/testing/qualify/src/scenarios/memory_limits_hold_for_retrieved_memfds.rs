// SPDX-License-Identifier: GPL-2.0

//! Memory cgroups.

use anyhow::Result;
use lu_vm::Splats;

use crate::Effort;
use crate::Need;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::facts::Fact;
use crate::run::passes;

inventory::submit! {
    Scenario {
        name: "memory_limits_hold_for_retrieved_memfds",
        about: "A memfd is charged to the memory cgroup that retrieves it, and one that exceeds its limit is refused",
        covers: &["memfd-6"],
        shape: Shape::Update,
        needs: &[Need::both(Fact::Memcg)],
        peer: Peer::Works,
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    // Who exceeds a limit is killed, and the kernel says why.
    let splats = ["invoked oom-killer", "Memory cgroup out of memory"]
        .into_iter()
        .fold(Splats::none_allowed().allow_backtraces(), Splats::allow);
    passes(run.update("memfd_memcg").splats(splats).ktap_after_update(1))
}
