// SPDX-License-Identifier: GPL-2.0

//! What the initcalls of the handlers call.
//!
//! Each is checked at compile time against its declaration in C.

use kernel::prelude::*;

use crate::kernel::c_abi::as_declared;
use crate::kernel::c_abi::to_errno;

as_declared!(lu_memfd_init, lu_memfd_param_extents);

/// `liveupdate_memfd=extents`, or the default. Called in early boot.
#[no_mangle]
extern "C" fn lu_memfd_param_extents(on: bool) {
    super::memfd::write_extents(on);
}

/// Registers the memfd handlers. Called once, by a late initcall.
#[no_mangle]
extern "C" fn lu_memfd_init() -> c_int {
    to_errno(super::memfd::init())
}
