// SPDX-License-Identifier: GPL-2.0

//! The KUnit suites of the Rust code, which the kernel runs when it boots and is told to.

use lu_vm::Build;
use lu_vm::Image;
use lu_vm::Program;
use lu_vm::SingleKernel;
use lu_vm::TestResult;
use lu_vm::Variant;

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
    ("liveupdate_handler", 5),
    ("liveupdate_memfd", 10),
];

#[test]
fn kunit_suites_pass_on_rust() -> TestResult {
    let image = Image {
        variant: Variant::Rust,
        build: Build::A,
    };
    // A program is only there to end the boot in order.
    let program = Program::mainline_liveupdate("liveupdate");
    let mut kernel = SingleKernel::new("kunit_suites_pass", image, program)
        .cmdline("kunit.enable=1")
        .cmdline("kunit.filter_glob=liveupdate_*");

    for (suite, cases) in SUITES {
        kernel = kernel.shows(&format!(
            "# {suite}: pass:{cases} fail:0 skip:0 total:{cases}"
        ));
    }
    kernel.run()?;
    Ok(())
}
