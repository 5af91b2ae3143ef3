// SPDX-License-Identifier: GPL-2.0

//! Host build of the pure half of live update.
//!
//! The kernel compiles [`abi`] and [`logic`] as modules of its own crate root. This root
//! compiles the same files for tests, fuzzing and tools.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(
    test,
    expect(
        clippy::type_complexity,
        reason = "tables of cases are read, not passed around"
    )
)]
#![deny(unsafe_code)]

pub mod abi;
pub mod logic;
