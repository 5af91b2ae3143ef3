// SPDX-License-Identifier: GPL-2.0

//! The C declarations that this directory needs, beside those of the kernel crate.
//!
//! Generated from `bindings.h`. Only [`crate::kernel`], the `exports.rs` files and code under
//! `ffi` touch them.

#![allow(
    clippy::all,
    clippy::as_ptr_cast_mut,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    unreachable_pub,
    improper_ctypes,
    unused_imports
)]

pub(crate) use kernel::bindings::*;

include!(concat!(
    env!("OBJTREE"),
    "/kernel/liveupdate/rust/bindings_generated.rs"
));
