// SPDX-License-Identifier: GPL-2.0

//! MFD_NOEXEC_SEAL.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::run::passes;

inventory::submit! {
    Scenario::update(
        "a_memfd_that_must_not_be_executable_stays_writable",
        "A memfd with MFD_NOEXEC_SEAL comes back sealed against execution and nothing else",
        run,
    )
    .peer_fails(Side::After, "it comes back sealed against everything", Signs::Tests(&["its_mode_is_sealed_and_nothing_else"]))
}

fn run(run: &Run<'_>) -> Result<()> {
    passes(run.update("memfd_noexec").ktap_after_update(1))
}
