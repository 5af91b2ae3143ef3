// SPDX-License-Identifier: GPL-2.0

//! What the initcalls of the handlers call.

use kernel::prelude::*;

/// Registers the memfd handler. Called once, by a late initcall.
#[no_mangle]
extern "C" fn lu_memfd_init() -> c_int {
    match super::memfd::init() {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
