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
        path => PathBuf::from(path).into(),
    }
}

/// The kernels to update from and to. Two that are not the same have different names.
pub fn pair(from: &str, to: &str) -> Pair {
    let mut pair = Pair {
        before: kernel(from, Build::A),
        after: kernel(to, Build::B),
    };
    if from != to && pair.before.to_string() == pair.after.to_string() {
        for (kernel, side) in [(&mut pair.before, "from"), (&mut pair.after, "to")] {
            if let Kernel::Given { name, .. } = kernel {
                *name = format!("{side}-{name}");
            }
        }
    }
    pair
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_the_same_name_are_told_apart() {
        assert_eq!(
            pair("/a/Image", "/b/Image").to_string(),
            "from-Image_to_to-Image"
        );
        assert_eq!(pair("/a/Image", "/a/Image").to_string(), "Image_to_Image");
        assert_eq!(pair("/a/rust", "rust").to_string(), "from-rust_to_rust");
        assert_eq!(pair("rust", "rust").to_string(), "rust_to_rust");
    }
}
