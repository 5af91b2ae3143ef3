// SPDX-License-Identifier: GPL-2.0

//! File handlers and FLBs that registered.
//!
//! What this holds is what C callers registered and have not unregistered yet. Whoever wants to
//! call a handler or an FLB gets a reference from here, which keeps its module loaded; no
//! callback but `can_preserve` runs with the lock held. Registering is not for callbacks all the same:
//! those of an FLB run under the FLB's own lock, which comes after this one.

use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::Arc;

use crate::abi::luo::flb_capacity;
use crate::abi::PAGE_SIZE;
use crate::kernel::bindings;
use crate::kernel::c_flb::CFlb;
use crate::kernel::c_flb::FlbRef;
use crate::kernel::c_handler::CHandler;
use crate::kernel::c_handler::HandlerRef;
use crate::kernel::sync::StaticRwSem;

use super::flb::Links;
use super::flb::OutgoingFlb;
use super::name::BadName;
use super::name::FlbName;
use super::name::HandlerName;

/// Most FLBs: their entries must fit into one page (`LUO_FLB_MAX`).
pub(super) const MAX_FLBS: usize = flb_capacity(PAGE_SIZE);

/// A registered handler and the FLBs that its files need.
struct Handler {
    c: CHandler,
    flbs: Arc<Links>,
}

/// A registered FLB.
struct Flb {
    c: CFlb,
    state: Arc<OutgoingFlb>,
    /// Number of handlers that it is registered with.
    users: usize,
}

/// Everything that registered, in the order in which it did.
struct Registry {
    handlers: KVec<Handler>,
    flbs: KVec<Flb>,
}

static REGISTRY: StaticRwSem<Registry> = StaticRwSem::new(
    c"luo_registry",
    Registry {
        handlers: KVec::new(),
        flbs: KVec::new(),
    },
);

impl Registry {
    fn handler(&self, handler: *mut bindings::liveupdate_file_handler) -> Option<&Handler> {
        self.handlers.iter().find(|it| it.c.as_ptr() == handler)
    }

    fn flb(&self, flb: *mut bindings::liveupdate_flb) -> Option<&Flb> {
        self.flbs.iter().find(|it| it.c.as_ptr() == flb)
    }

    /// Notes that one handler less has the FLB, which goes with the last.
    fn put_flb(&mut self, state: &Arc<OutgoingFlb>) {
        let Some(at) = self
            .flbs
            .iter()
            .position(|it| Arc::ptr_eq(&it.state, state))
        else {
            return;
        };
        if let Some(flb) = self.flbs.get_mut(at) {
            flb.users -= 1;
            // Use keeps its module loaded, but it may be unregistered all the same. It stays until
            // the place is needed, so that its users find it when they put it.
            if flb.users == 0 && !flb.state.is_live() {
                let _ = self.flbs.remove(at);
            }
        }
    }
}

/// Registers a handler. `EEXIST` if there is one with the same compatible string.
pub(super) fn register_handler(handler: CHandler) -> Result {
    let name = HandlerName::new(handler.compatible()).ok_or(EINVAL)?;
    let flbs = Links::none()?;
    let mut registry = REGISTRY.write();

    if registry
        .handlers
        .iter()
        .any(|it| HandlerName::new(it.c.compatible()) == Some(name))
    {
        pr_err!("LUO: a file handler for '{}' is registered already\n", name);
        return Err(EEXIST);
    }
    registry
        .handlers
        .push(Handler { c: handler, flbs }, GFP_KERNEL)?;
    Ok(())
}

/// Forgets a handler and its links to FLBs.
pub(super) fn unregister_handler(handler: *mut bindings::liveupdate_file_handler) {
    let mut registry = REGISTRY.write();
    let Some(handler) = registry
        .handlers
        .iter()
        .position(|it| it.c.as_ptr() == handler)
        .and_then(|at| registry.handlers.remove(at).ok())
    else {
        pr_warn!("LUO: a file handler that is not registered cannot be unregistered\n");
        return;
    };

    for state in handler.flbs.states() {
        registry.put_flb(state);
    }
    handler.flbs.remove_all();
}

/// Makes files of `handler` depend on `flb`.
///
/// `EINVAL` if the handler is not registered, `EEXIST` if it has this FLB or if another FLB has
/// the same compatible string, `ENOSPC` if there are too many FLBs.
pub(super) fn register_flb(handler: *mut bindings::liveupdate_file_handler, flb: CFlb) -> Result {
    let mut guard = REGISTRY.write();
    let registry = &mut *guard;
    let Some(owner) = registry
        .handlers
        .iter_mut()
        .find(|it| it.c.as_ptr() == handler)
    else {
        pr_err!(
            "LUO: FLB '{}' is to be registered with a file handler that is not registered itself\n",
            BadName(flb.compatible())
        );
        return Err(EINVAL);
    };
    registry
        .flbs
        .retain(|it| it.users > 0 || it.state.is_live());
    let known = registry
        .flbs
        .iter_mut()
        .find(|it| it.c.as_ptr() == flb.as_ptr());

    match known {
        Some(known) => {
            if owner.flbs.has(&known.state) {
                return Err(EEXIST);
            }
            owner.flbs = owner.flbs.with(known.state.clone())?;
            known.users += 1;
        }
        None => {
            let state = new_flb(&registry.flbs, &flb)?;
            let flbs = owner.flbs.with(state.clone())?;
            let users = 1;

            registry.flbs.push(
                Flb {
                    c: flb,
                    state,
                    users,
                },
                GFP_KERNEL,
            )?;
            owner.flbs = flbs;
        }
    }
    Ok(())
}

/// Makes the state of an FLB that is not registered yet.
fn new_flb(flbs: &[Flb], flb: &CFlb) -> Result<Arc<OutgoingFlb>> {
    let name = FlbName::new(flb.compatible()).ok_or(EINVAL)?;

    if flbs.iter().any(|it| it.state.name() == name) {
        return Err(EEXIST);
    }
    if flbs.len() >= MAX_FLBS {
        return Err(ENOSPC);
    }
    OutgoingFlb::new(name)
}

/// Makes files of `handler` independent of `flb` again.
pub(super) fn unregister_flb(
    handler: *mut bindings::liveupdate_file_handler,
    flb: *mut bindings::liveupdate_flb,
) {
    let mut registry = REGISTRY.write();
    let state = registry.flb(flb).map(|it| it.state.clone());

    match (state, registry.handler(handler)) {
        (Some(state), Some(owner)) if owner.flbs.remove(&state) => registry.put_flb(&state),
        _ => {
            pr_warn!("LUO: an FLB that is not registered with a handler cannot be unregistered\n")
        }
    }
}

/// The first handler that takes `file`, and what its files need; `ENOENT` if none does or its
/// module is being unloaded.
pub(super) fn handler_for(file: &File) -> Result<(HandlerRef, Arc<Links>)> {
    let registry = REGISTRY.read();

    registry
        .handlers
        .iter()
        .find(|it| it.c.can_preserve(file))
        .and_then(|it| Some((it.c.get()?, it.flbs.clone())))
        .ok_or(ENOENT)
}

/// The handler with this compatible string, if it is registered.
pub(super) fn handler_named(name: &HandlerName) -> Option<HandlerRef> {
    let registry = REGISTRY.read();

    registry
        .handlers
        .iter()
        .find(|it| HandlerName::new(it.c.compatible()).as_ref() == Some(name))
        .and_then(|it| it.c.get())
}

/// What files of `handler` need; [`None`] if it is not registered any more.
pub(super) fn flbs_of(handler: &HandlerRef) -> Option<Arc<Links>> {
    REGISTRY
        .read()
        .handler(handler.as_ptr())
        .map(|it| it.flbs.clone())
}

/// A reference for calling an FLB; [`None`] if it is not registered any more, or its module is being
/// unloaded.
pub(super) fn flb_ref(state: &Arc<OutgoingFlb>) -> Option<FlbRef> {
    REGISTRY
        .read()
        .flbs
        .iter()
        // One that stayed for its users may be gone as soon as they are.
        .find(|it| it.users > 0 && Arc::ptr_eq(&it.state, state))?
        .c
        .get()
}

/// The outgoing state of an FLB, if it is registered.
pub(super) fn outgoing_flb(flb: *mut bindings::liveupdate_flb) -> Option<Arc<OutgoingFlb>> {
    REGISTRY.read().flb(flb).map(|it| it.state.clone())
}

/// Calls `f` for each registered FLB, in the order of registration.
pub(super) fn for_each_flb(mut f: impl FnMut(&OutgoingFlb)) {
    for flb in REGISTRY.read().flbs.iter().filter(|it| it.users > 0) {
        f(&flb.state);
    }
}
