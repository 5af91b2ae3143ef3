// SPDX-License-Identifier: GPL-2.0

//! Threads of the kernel.

use kernel::error::to_result;
use kernel::prelude::*;

use super::bindings;

/// Lets others run, if they are waiting. Sleeps. C counterpart: `cond_resched()`.
pub(crate) fn give_way() {
    // SAFETY: No preconditions.
    unsafe { bindings::lu_give_way() };
}

/// Runs `function` once, in a thread that runs when nobody else wants to, or next to nothing of the
/// time.
///
/// C counterpart: `kthread_run()`, with the policy `SCHED_IDLE`.
pub(crate) fn run_in_background(
    function: extern "C" fn(*mut c_void) -> c_int,
    name: &'static CStr,
) -> Result {
    // SAFETY: The function does not use its argument, of which it is told nothing.
    to_result(unsafe { bindings::lu_start_background(Some(function), name.as_char_ptr()) })
}
