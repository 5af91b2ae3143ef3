// SPDX-License-Identifier: GPL-2.0

//! Transparent huge pages in a memfd.

use anyhow::Result;

use crate::Effort;
use crate::Need;
use crate::Peer;
use crate::Run;
use crate::Scenario;
use crate::Shape;
use crate::facts::Fact;
use crate::scale::Part;
use crate::scale::comes_through;

inventory::submit! {
    Scenario {
        name: "huge_pages_come_back_as_huge_pages",
        about: "A file of huge pages comes back with all data, and in huge pages",
        covers: &[],
        shape: Shape::Update,
        needs: &[Need::both(Fact::Thp)],
        peer: Peer::Works,
        effort: Effort::Long,
        run,
    }
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &[Part::Huge])
}
