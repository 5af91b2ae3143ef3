// SPDX-License-Identifier: GPL-2.0

//! Threads of the kernel.

use kernel::error::to_result;
use kernel::prelude::*;

use super::bindings;

/// Lets others run, if they have been waiting. Sleeps. C counterpart: `cond_resched()`.
pub(crate) fn yield_to_others() {
    // SAFETY: No preconditions.
    unsafe { bindings::lu_cond_resched() };
}

/// Runs `function` once, in a thread of the lowest ordinary priority.
///
/// C counterpart: `kthread_run()` and `set_user_nice()`.
pub(crate) fn run_in_background(
    function: extern "C" fn(*mut c_void) -> c_int,
    name: &'static CStr,
) -> Result {
    // SAFETY: The function does not use its argument, of which it is told nothing.
    to_result(unsafe { bindings::lu_start_background(Some(function), name.as_char_ptr()) })
}
