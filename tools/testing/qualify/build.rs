// SPDX-License-Identifier: GPL-2.0

//! Has a new scenario noticed: cargo knows of the files that were there when it last built.

fn main() {
    println!("cargo::rerun-if-changed=src/scenarios");
}
