// SPDX-License-Identifier: GPL-2.0

//! What stands for the module in code that is built in.

use kernel::ThisModule;

/// `THIS_MODULE` of built-in code.
pub(crate) const BUILT_IN: ThisModule = {
    // SAFETY: Built-in code has no `struct module`: `THIS_MODULE` is null there, which
    // `try_module_get()` and `module_put()` know.
    unsafe { ThisModule::from_ptr(core::ptr::null_mut()) }
};
