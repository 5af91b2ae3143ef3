// SPDX-License-Identifier: GPL-2.0

//! KUnit, which the kernel runs when it boots and is told to.

use anyhow::Result;
use lu_vm::Program;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::facts::Fact;

/// Suites of this repository, each with the number of its cases.
const SUITES: [(&str, usize); 10] = [
    ("liveupdate_kho", 9),
    ("liveupdate_luo_file", 2),
    ("liveupdate_kernel_table", 3),
    ("liveupdate_luo_files", 3),
    ("liveupdate_luo_name", 3),
    ("liveupdate_luo_flb", 8),
    ("liveupdate_luo_index", 3),
    ("liveupdate_luo_blocks", 8),
    ("liveupdate_handler", 6),
    ("liveupdate_memfd", 10),
];

inventory::submit! {
    Scenario::each(
        "kunit_suites_pass",
        "The KUnit suites of the Rust code pass",
        run,
    )
    .covers(&["kho-8", "luo-2", "luo-5", "memfd-4"])
    .needs(&[Need::before(Fact::Kunit)])
}

fn run(run: &Run<'_>) -> Result<()> {
    // The program is only there to end the boot in order.
    let kernel = run
        .single_with(Program::ours("kernel_facts"))
        .cmdline("kunit.enable=1")
        .cmdline("kunit.filter_glob=liveupdate_*");
    SUITES
        .iter()
        .fold(kernel, |kernel, (suite, cases)| {
            kernel.shows(&format!(
                "# {suite}: pass:{cases} fail:0 skip:0 total:{cases}"
            ))
        })
        .run()
        .map(drop)
}
