// SPDX-License-Identifier: GPL-2.0

//! Ending the boot, for those who asked for it.

use super::bindings;

/// Panics because the previous kernel's state cannot be read and the command line asks for that.
pub(crate) fn panic_bad_incoming() {
    // SAFETY: No preconditions.
    unsafe { bindings::lu_panic_bad_incoming() };
}
