// SPDX-License-Identifier: GPL-2.0

//! What the kernel crate asks of code that is part of a module, for code that is not.

use kernel::prelude::*;
use kernel::ModuleMetadata;

/// Stands for the module that this code would be in if it were in one. `#[vtable]` names it.
pub(crate) struct LocalModule;

impl ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"liveupdate";

    const THIS_MODULE: ThisModule = {
        // SAFETY: NULL is what `THIS_MODULE` is in code that is built in.
        unsafe { ThisModule::from_ptr(core::ptr::null_mut()) }
    };
}
