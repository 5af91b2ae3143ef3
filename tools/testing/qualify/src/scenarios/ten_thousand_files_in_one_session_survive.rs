// SPDX-License-Identifier: GPL-2.0

//! Files, all in one session.

use anyhow::Result;

use crate::Run;
use crate::Scenario;
use crate::scale::Part;
use crate::scale::comes_through;

inventory::submit! {
    Scenario::update(
        "ten_thousand_files_in_one_session_survive",
        "Ten thousand files of one session come back in any order",
        run,
    )
    .covers(&["luo-8"])
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &[Part::Files])
}
