// SPDX-License-Identifier: GPL-2.0

//! What the functions that C calls, in the `exports.rs` files, have in common.

use kernel::prelude::*;

/// Fails to compile unless each function is what its declaration in C says.
macro_rules! as_declared {
    ($($name:ident),+ $(,)?) => {
        $(const _: () = {
            // Both branches of an `if` have the same type.
            if true { $crate::kernel::bindings::$name } else { $name };
        };)+
    };
}
pub(crate) use as_declared;

/// What C expects of a function that may fail: zero or a negative error number.
pub(crate) fn to_errno(result: Result) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
