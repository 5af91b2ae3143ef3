// SPDX-License-Identifier: GPL-2.0

//! All that there can be much of, in one live update.

use anyhow::Result;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::facts::Fact;
use crate::scale::Part;
use crate::scale::comes_through;

inventory::submit! {
    Scenario::update(
        "everything_at_once_survives",
        "A thousand sessions, ten thousand files, gigabytes of scattered pages, huge pages and reserved memory come through together",
        run,
    )
    .covers(&["kho-10"])
    .needs(&[Need::both(Fact::Thp), Need::both(Fact::KhoFiles)])
    .peer_fails(Side::After, "boot takes time quadratic in the number of separate runs of pages, more than minutes for half a million", Signs::Text("did not appear within"))
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    comes_through(run, &Part::ALL)
}
