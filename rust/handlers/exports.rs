// SPDX-License-Identifier: GPL-2.0

//! What the initcalls of the handlers call.
//!
//! Each is checked at compile time against its declaration in C.

use kernel::prelude::*;

use crate::kernel::c_abi::as_declared;
use crate::kernel::c_abi::to_errno;

as_declared!(lu_memfd_init);

/// Registers the memfd handler. Called once, by a late initcall.
#[no_mangle]
extern "C" fn lu_memfd_init() -> c_int {
    to_errno(super::memfd::init())
}
