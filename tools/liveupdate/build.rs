// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells the tests which target they are built for: a C compiler has to aim at the same.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=TEST_HOST_TARGET={target}");
}
