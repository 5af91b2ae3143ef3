// SPDX-License-Identifier: GPL-2.0

//! Kernels as one names them on the command line.

use std::path::PathBuf;

use lu_vm::Build;
use lu_vm::Image;
use lu_vm::Kernel;
use lu_vm::Pair;
use lu_vm::Variant;

/// The kernel called `name`: `rust` or `mainline`, or the path of an image.
pub fn kernel(name: &str, build: Build) -> Kernel {
    match name {
        "rust" => built(Variant::Rust, build),
        "mainline" => built(Variant::Mainline, build),
        path => Kernel::Given(PathBuf::from(path)),
    }
}

/// The kernels to update from and to.
pub fn pair(from: &str, to: &str) -> Pair {
    Pair {
        before: kernel(from, Build::A),
        after: kernel(to, Build::B),
    }
}

fn built(variant: Variant, build: Build) -> Kernel {
    Kernel::Built(Image { variant, build })
}

/// Whether a kernel that is built here is known to be this repository's, without booting it.
pub fn is_built_from_here(kernel: &Kernel) -> bool {
    matches!(
        kernel,
        Kernel::Built(Image {
            variant: Variant::Rust | Variant::RustCMemfd,
            ..
        })
    )
}
