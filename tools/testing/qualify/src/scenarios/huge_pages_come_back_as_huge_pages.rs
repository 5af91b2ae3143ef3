// SPDX-License-Identifier: GPL-2.0

//! Transparent huge pages in a memfd.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;
use crate::scale::Part;
use crate::scale::comes_through;

inventory::submit! {
    Scenario::update(
        "huge_pages_come_back_as_huge_pages",
        "A file of huge pages comes back with all data, and in huge pages",
        run,
    )
    .needs(&[Need::both(Fact::Thp)])
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &[Part::Huge])
}
