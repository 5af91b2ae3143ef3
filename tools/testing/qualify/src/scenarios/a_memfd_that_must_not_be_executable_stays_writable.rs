// SPDX-License-Identifier: GPL-2.0

//! MFD_NOEXEC_SEAL.

use anyhow::Result;

use crate::Effort;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::Side;
use crate::run::passes;

inventory::submit! {
    Scenario {
        name: "a_memfd_that_must_not_be_executable_stays_writable",
        about: "A memfd with MFD_NOEXEC_SEAL comes back sealed against execution and nothing else",
        covers: &[],
        shape: Shape::Update,
        needs: &[],
        peer: Peer::Fails(Side::After, "it comes back sealed against everything"),
        effort: Effort::Quick,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_noexec").ktap_after_update(1))
}
