// SPDX-License-Identifier: GPL-2.0

//! What this kernel is called.

use kernel::prelude::*;

use super::bindings;

/// The release of this kernel, as `uname -r` shows it.
pub(crate) fn release() -> &'static CStr {
    // SAFETY: The string is terminated and does not change.
    unsafe { CStr::from_char_ptr(bindings::lu_uts_release()) }
}
