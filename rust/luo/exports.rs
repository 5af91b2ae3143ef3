// SPDX-License-Identifier: GPL-2.0

//! The entry points of LUO for C: `include/linux/liveupdate.h`, and what `ffi/luo.c` calls.
//!
//! Each is checked at compile time against its declaration in C, and does no more than to turn
//! pointers into types.

#![allow(
    clippy::missing_safety_doc,
    reason = "each asks for what its declaration in C says"
)]

use kernel::prelude::*;

use crate::kernel::bindings;
use crate::kernel::c_abi::as_declared;
use crate::kernel::c_abi::to_errno;
use crate::kernel::c_flb::CFlb;
use crate::kernel::c_handler::CHandler;

use super::flb;
use super::incoming;
use super::is_enabled;
use super::registry;
use super::session;
use super::ENABLED;

as_declared!(
    liveupdate_enabled,
    liveupdate_reboot,
    liveupdate_register_file_handler,
    liveupdate_unregister_file_handler,
    liveupdate_register_flb,
    liveupdate_unregister_flb,
    liveupdate_flb_get_incoming,
    liveupdate_flb_put_incoming,
    liveupdate_flb_get_outgoing,
    liveupdate_flb_put_outgoing,
    lu_luo_param_enable,
    lu_luo_param_panic,
    lu_luo_early_init,
    lu_luo_late_init,
);

/// See [`is_enabled`].
#[no_mangle]
extern "C" fn liveupdate_enabled() -> bool {
    is_enabled()
}

/// See [`session::reboot`].
#[no_mangle]
extern "C" fn liveupdate_reboot() -> c_int {
    if !is_enabled() {
        return 0;
    }
    to_errno(session::reboot())
}

/// Registers a file handler. `EOPNOTSUPP` where live update is off; see
/// [`registry::register_handler`].
#[no_mangle]
unsafe extern "C" fn liveupdate_register_file_handler(
    handler: *mut bindings::liveupdate_file_handler,
) -> c_int {
    if !is_enabled() {
        return EOPNOTSUPP.to_errno();
    }
    // SAFETY: The caller keeps the handler until it unregisters it.
    let registered = unsafe { CHandler::new(handler) }.and_then(registry::register_handler);

    if registered.is_ok() {
        // SAFETY: The handler is registered.
        unsafe { bindings::lu_test_register(handler) };
    }
    to_errno(registered)
}

/// See [`registry::unregister_handler`].
#[no_mangle]
extern "C" fn liveupdate_unregister_file_handler(handler: *mut bindings::liveupdate_file_handler) {
    if is_enabled() {
        registry::unregister_handler(handler);
    }
}

/// Makes files of a handler depend on an FLB. `EOPNOTSUPP` where live update is off; see
/// [`registry::register_flb`].
#[no_mangle]
unsafe extern "C" fn liveupdate_register_flb(
    handler: *mut bindings::liveupdate_file_handler,
    flb: *mut bindings::liveupdate_flb,
) -> c_int {
    if !is_enabled() {
        return EOPNOTSUPP.to_errno();
    }
    // SAFETY: The caller keeps the FLB until it unregisters it.
    to_errno(unsafe { CFlb::new(flb) }.and_then(|flb| registry::register_flb(handler, flb)))
}

/// See [`registry::unregister_flb`].
#[no_mangle]
extern "C" fn liveupdate_unregister_flb(
    handler: *mut bindings::liveupdate_file_handler,
    flb: *mut bindings::liveupdate_flb,
) {
    if is_enabled() {
        registry::unregister_flb(handler, flb);
    }
}

/// Gives out the object of an incoming FLB. See [`flb::IncomingFlb::get`].
#[no_mangle]
unsafe extern "C" fn liveupdate_flb_get_incoming(
    flb: *mut bindings::liveupdate_flb,
    object: *mut *mut c_void,
) -> c_int {
    if !is_enabled() {
        return EOPNOTSUPP.to_errno();
    }
    // SAFETY: The caller's FLB exists during this call.
    let found = unsafe { CFlb::new(flb) }.and_then(|flb| flb::find_incoming(&flb)?.get(flb.get()));
    match found {
        Ok(found) => {
            // SAFETY: The caller wants the object there.
            unsafe { object.write(found.as_ptr()) };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// Takes [`liveupdate_flb_get_incoming`] back.
#[no_mangle]
unsafe extern "C" fn liveupdate_flb_put_incoming(flb: *mut bindings::liveupdate_flb) {
    // SAFETY: The caller's FLB exists during this call.
    if let Ok(flb) = unsafe { CFlb::new(flb) } {
        if let Ok(incoming) = flb::find_incoming(&flb) {
            incoming.put(|| flb.get());
        }
    }
}

/// Gives out the object of an outgoing FLB. See [`flb::OutgoingFlb::get`].
#[no_mangle]
unsafe extern "C" fn liveupdate_flb_get_outgoing(
    flb: *mut bindings::liveupdate_flb,
    object: *mut *mut c_void,
) -> c_int {
    if !is_enabled() {
        return EOPNOTSUPP.to_errno();
    }
    match registry::outgoing_flb(flb)
        .ok_or(ENOENT)
        .and_then(|flb| flb.get())
    {
        Ok(found) => {
            // SAFETY: The caller wants the object there.
            unsafe { object.write(found.as_ptr()) };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// Takes [`liveupdate_flb_get_outgoing`] back.
#[no_mangle]
extern "C" fn liveupdate_flb_put_outgoing(flb: *mut bindings::liveupdate_flb) {
    if let Some(flb) = registry::outgoing_flb(flb) {
        flb.put();
    }
}

/// `liveupdate=`.
#[no_mangle]
extern "C" fn lu_luo_param_enable(on: bool) {
    ENABLED.store(on, kernel::sync::atomic::Relaxed);
}

/// `liveupdate_incoming=`.
#[no_mangle]
extern "C" fn lu_luo_param_panic(on: bool) {
    incoming::set_panic(on);
}

/// See [`super::start_early`].
#[no_mangle]
extern "C" fn lu_luo_early_init() {
    super::start_early();
}

/// See [`super::start_late`].
#[no_mangle]
extern "C" fn lu_luo_late_init() -> c_int {
    to_errno(super::start_late())
}
