// SPDX-License-Identifier: GPL-2.0

//! State that many files share (FLB, "file-lifecycle-bound"): saved with the first file that
//! needs it, cleaned up with the last.
//!
//! An FLB that goes to the next kernel and one that came from the previous kernel are two types,
//! with a count of users each. The first is found by the C object that registered, the second by
//! the name in the handed-over table: so what became of incoming data outlives the module that
//! asked for it.

use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::atomic::AtomicFlag;
use kernel::sync::atomic::Relaxed;
use kernel::sync::Arc;
use kernel::sync::Mutex;
use kernel::sync::SetOnce;

use crate::abi::addr::PhysAddr;
use crate::abi::luo::flb_capacity;
use crate::abi::luo::FlbHeaderSer;
use crate::abi::luo::FlbSer;
use crate::abi::PAGE_SIZE;
use crate::kernel::c_flb::CFlb;
use crate::kernel::c_flb::FlbObject;
use crate::kernel::c_flb::FlbRef;
use crate::kho::Handed;
use crate::kho::Preserved;

use super::name::BadName;
use super::name::FlbName;
use super::registry;

/// An FLB on its way to the next kernel.
#[pin_data]
pub(super) struct OutgoingFlb {
    name: FlbName,
    #[pin]
    live: Mutex<Option<Live>>,
}

/// What there is while anything needs the FLB.
struct Live {
    flb: FlbRef,
    users: u64,
    data: u64,
    obj: FlbObject,
}

impl OutgoingFlb {
    /// An FLB that nothing needs yet.
    pub(super) fn new(name: FlbName) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                name,
                live <- new_mutex!(None, "OutgoingFlb::live"),
            }),
            GFP_KERNEL,
        )
    }

    /// The name by which the next kernel knows it.
    pub(super) fn name(&self) -> FlbName {
        self.name
    }

    /// Whether anything needs it.
    pub(super) fn is_live(&self) -> bool {
        self.live.lock().is_some()
    }

    /// Takes a hold. If it is the first one then the state is saved by the FLB that `find` finds;
    /// `ENODEV` if it does not. `find` is called with no lock held.
    fn preserve(&self, find: impl FnOnce() -> Option<FlbRef>) -> Result {
        if let Some(live) = &mut *self.live.lock() {
            live.users += 1;
            return Ok(());
        }
        let flb = find();
        let mut live = self.live.lock();

        match &mut *live {
            Some(live) => live.users += 1,
            None => {
                let flb = flb.ok_or(ENODEV)?;
                let (data, obj) = flb.preserve()?;
                *live = Some(Live {
                    flb,
                    users: 1,
                    data,
                    obj,
                });
            }
        }
        Ok(())
    }

    /// Takes a hold for a C caller who wants the object. `ENOENT` if there is none.
    pub(super) fn get(&self) -> Result<FlbObject> {
        let mut live = self.live.lock();

        match &mut *live {
            Some(live) if !live.obj.is_none() => {
                live.users += 1;
                Ok(live.obj)
            }
            _ => Err(ENOENT),
        }
    }

    /// Gives a hold back, and discards the state if it was the last one.
    pub(super) fn put(&self) {
        let mut guard = self.live.lock();

        match &mut *guard {
            Some(live) if live.users > 1 => live.users -= 1,
            Some(live) => {
                live.flb.unpreserve(live.data, live.obj);
                *guard = None;
            }
            None => pr_err!("LUO: FLB '{}' was put more often than got\n", self.name),
        }
    }

    /// What the next kernel is to know; [`None`] if nothing needs the FLB.
    fn entry(&self) -> Option<FlbSer> {
        self.live.lock().as_ref().map(|live| FlbSer {
            name: *self.name.padded(),
            data: live.data,
            count: live.users,
        })
    }
}

/// An FLB that files of a handler need.
struct Link {
    outgoing: Arc<OutgoingFlb>,
    /// Its state in the previous kernel, if it had any; looked for once.
    incoming: SetOnce<Option<&'static IncomingFlb>>,
    /// It was unregistered. Files that hold it do so all the same.
    is_gone: AtomicFlag,
}

impl Link {
    fn new(outgoing: Arc<OutgoingFlb>) -> Self {
        Self {
            outgoing,
            incoming: SetOnce::new(),
            is_gone: AtomicFlag::new(false),
        }
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Relaxed)
    }

    fn incoming(&self) -> Option<&'static IncomingFlb> {
        match self.incoming.as_ref() {
            Some(known) => *known,
            None => {
                let found = find(&self.outgoing.name).ok();

                self.incoming.populate(found);
                found
            }
        }
    }
}

/// The FLBs that files of a handler need, in the order of their registration.
///
/// Files share the list that there was when they were preserved. Registering makes another one;
/// unregistering, which must not fail, only notes it.
pub(super) struct Links(KVec<Link>);

/// One bit for each element of a [`Links`], which has no more of them than there are FLBs.
struct Mask([u64; registry::MAX_FLBS.div_ceil(64)]);

impl Mask {
    fn set(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    fn has(&self, index: usize) -> bool {
        self.0
            .get(index / 64)
            .is_some_and(|word| word & 1 << (index % 64) != 0)
    }
}

impl Links {
    /// The list of a handler that has just registered.
    pub(super) fn none() -> Result<Arc<Self>> {
        Ok(Arc::new(Self(KVec::new()), GFP_KERNEL)?)
    }

    /// The FLBs that are registered.
    pub(super) fn states(&self) -> impl Iterator<Item = &Arc<OutgoingFlb>> {
        self.0
            .iter()
            .filter(|link| !link.is_gone())
            .map(|link| &link.outgoing)
    }

    /// Whether an FLB is among them.
    pub(super) fn has(&self, state: &Arc<OutgoingFlb>) -> bool {
        self.states().any(|it| Arc::ptr_eq(it, state))
    }

    /// The list with one more FLB.
    pub(super) fn with(&self, state: Arc<OutgoingFlb>) -> Result<Arc<Self>> {
        let mut links = KVec::with_capacity(self.0.len() + 1, GFP_KERNEL)?;

        for state in Iterator::chain(self.states().cloned(), [state]) {
            links.push(Link::new(state), GFP_KERNEL)?;
        }
        Ok(Arc::new(Self(links), GFP_KERNEL)?)
    }

    /// Notes that none of them is registered any more.
    pub(super) fn remove_all(&self) {
        for link in &self.0 {
            link.is_gone.store(true, Relaxed);
        }
    }

    /// Notes that an FLB is not registered any more. Returns whether it was.
    pub(super) fn remove(&self, state: &Arc<OutgoingFlb>) -> bool {
        let link = self
            .0
            .iter()
            .find(|link| !link.is_gone() && Arc::ptr_eq(&link.outgoing, state));

        if let Some(link) = link {
            link.is_gone.store(true, Relaxed);
        }
        link.is_some()
    }

    /// Tells each FLB that a file, which needed it in the previous kernel, is finished.
    pub(super) fn finish_file(&self) {
        for link in self.0.iter().rev().filter(|link| !link.is_gone()) {
            // An FLB that the previous kernel did not have is not held by its files.
            if let Some(incoming) = link.incoming() {
                incoming.put(|| registry::flb_ref(&link.outgoing));
            }
        }
    }
}

/// A preserved file's holds on FLBs; dropping it gives them back, last one first.
pub(super) struct FlbHolds {
    links: Arc<Links>,
    held: Mask,
}

impl FlbHolds {
    /// Takes a hold on each, in the order of registration.
    ///
    /// On failure the holds that were taken are given back, last one first.
    pub(super) fn new(links: Arc<Links>) -> Result<Self> {
        let mut holds = Self {
            links,
            held: Mask([0; _]),
        };

        for (index, link) in holds.links.0.iter().enumerate() {
            if link.is_gone() {
                continue;
            }
            match link.outgoing.preserve(|| registry::flb_ref(&link.outgoing)) {
                Ok(()) => holds.held.set(index),
                // It was unregistered meanwhile: the file does not need it.
                Err(_) if link.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(holds)
    }
}

impl Drop for FlbHolds {
    fn drop(&mut self) {
        for (index, link) in self.links.0.iter().enumerate().rev() {
            if self.held.has(index) {
                link.outgoing.put();
            }
        }
    }
}

/// Makes the table for the next kernel: an empty header in a page of its own.
pub(super) fn new_table() -> Result<Preserved> {
    let mut table = Preserved::new(PAGE_SIZE)?;

    write_table(&mut table);
    Ok(table)
}

/// Writes the state of all registered FLBs into `table`.
pub(super) fn write_table(table: &mut Preserved) {
    let Ok((header, entries)) = FlbHeaderSer::mut_from_prefix(table.bytes_mut()) else {
        return;
    };
    // As many as may be registered fit.
    let mut slots = entries.chunks_exact_mut(size_of::<FlbSer>());
    let mut count = 0;

    registry::for_each_flb(|flb| {
        if let Some((entry, slot)) = flb.entry().and_then(|entry| Some((entry, slots.next()?))) {
            slot.copy_from_slice(entry.as_bytes());
            count += 1;
        }
    });
    header.pgcnt = 1;
    header.count = count;
}

/// An FLB that came from the previous kernel.
#[pin_data]
pub(super) struct IncomingFlb {
    name: FlbName,
    data: u64,
    #[pin]
    state: Mutex<Incoming>,
}

/// How far an incoming FLB has come.
struct Incoming {
    /// Files of the previous kernel that were not finished, and holders of the object.
    users: u64,
    stage: Stage,
}

enum Stage {
    /// Nobody asked for it.
    Waiting,
    /// It was restored. The reference keeps its module until it is finished.
    Retrieved(FlbRef, FlbObject),
    /// Restoring it failed, which trying again could only make worse.
    Failed(Error),
    /// Nothing needs it any more.
    Finished,
}

impl IncomingFlb {
    /// Takes an entry of the handed-over table.
    pub(super) fn new(name: FlbName, data: u64, users: u64) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                name,
                data,
                state <- new_mutex!(
                    Incoming { users, stage: Stage::Waiting },
                    "IncomingFlb::state"
                ),
            }),
            GFP_KERNEL,
        )
    }

    /// Takes a hold on the object, which is restored if this is the first time.
    ///
    /// `ENODATA` once it is finished, `ENODEV` without `flb`, unless it was restored before; else
    /// the error of the first attempt to restore it, each time.
    pub(super) fn get(&self, flb: Option<FlbRef>) -> Result<FlbObject> {
        let mut state = self.state.lock();
        let obj = self.retrieve(&mut state, flb)?;

        state.users = state.users.saturating_add(1);
        Ok(obj)
    }

    fn retrieve(&self, state: &mut Incoming, flb: Option<FlbRef>) -> Result<FlbObject> {
        match &state.stage {
            Stage::Finished => Err(ENODATA),
            Stage::Failed(err) => Err(*err),
            Stage::Retrieved(_, obj) => Ok(*obj),
            Stage::Waiting => {
                let flb = flb.ok_or(ENODEV)?;

                match flb.retrieve(self.data) {
                    Ok(obj) => {
                        state.stage = Stage::Retrieved(flb, obj);
                        Ok(obj)
                    }
                    Err(err) => {
                        pr_err!(
                            "LUO: FLB '{}' could not be restored: {:?}\n",
                            self.name,
                            err
                        );
                        state.stage = Stage::Failed(err);
                        Err(err)
                    }
                }
            }
        }
    }

    /// Gives a hold back. The last one finishes the FLB, which is restored for that if nobody
    /// asked for it before: only the FLB knows how to clean up.
    ///
    /// `find` finds the FLB; it is called with no lock held.
    pub(super) fn put(&self, find: impl FnOnce() -> Option<FlbRef>) {
        {
            let mut state = self.state.lock();

            if state.users > 1 {
                state.users -= 1;
                return;
            }
        }
        let flb = find();
        let mut state = self.state.lock();

        match state.users {
            0 => {
                pr_err!(
                    "LUO: incoming FLB '{}' was put more often than got\n",
                    self.name
                );
                return;
            }
            1 => state.users = 0,
            _ => {
                state.users -= 1;
                return;
            }
        }
        match self.retrieve(&mut state, flb) {
            Ok(obj) => {
                if let Stage::Retrieved(flb, _) =
                    core::mem::replace(&mut state.stage, Stage::Finished)
                {
                    flb.finish(obj);
                }
            }
            Err(err) => pr_warn!(
                "LUO: FLB '{}' could not be restored ({:?}); what it preserved stays reserved\n",
                self.name,
                err
            ),
        }
    }
}

/// What the previous kernel left in the way of FLBs.
enum Table {
    /// Nothing.
    Absent,
    /// These. There are at most as many as fit into a page.
    Read(KVec<Arc<IncomingFlb>>),
    /// Something that cannot be read.
    Bad,
}

static INCOMING: SetOnce<Table> = SetOnce::new();

/// The incoming FLB of this name. `ENODATA` if nothing came in, `ENOENT` if this did not, `EIO` if
/// what came in cannot be read.
fn find(name: &FlbName) -> Result<&'static IncomingFlb> {
    match INCOMING.as_ref() {
        None | Some(Table::Absent) => Err(ENODATA),
        Some(Table::Bad) => Err(EIO),
        Some(Table::Read(flbs)) => flbs
            .iter()
            .find(|flb| flb.name == *name)
            .map(|flb| &**flb)
            .ok_or(ENOENT),
    }
}

/// Finds the incoming state for an FLB that a C caller named; see [`find`] for errors.
pub(super) fn find_incoming(flb: &CFlb) -> Result<&'static IncomingFlb> {
    find(&FlbName::new(flb.compatible()).ok_or(EINVAL)?)
}

/// Notes that the previous kernel left no FLBs, or nothing at all.
pub(super) fn set_absent() {
    INCOMING.populate(Table::Absent);
}

/// Notes that what the previous kernel left cannot be read.
pub(super) fn set_bad() {
    INCOMING.populate(Table::Bad);
}

/// Reads the table that the previous kernel left at `phys`. On failure says why in the log.
pub(super) fn read_incoming(phys: u64) -> Result {
    if phys == 0 {
        set_absent();
        return Ok(());
    }
    match parse(PhysAddr::new(phys)) {
        Ok(flbs) => {
            INCOMING.populate(Table::Read(flbs));
            Ok(())
        }
        Err(err) => {
            set_bad();
            Err(err)
        }
    }
}

fn parse(phys: PhysAddr) -> Result<KVec<Arc<IncomingFlb>>> {
    let table = Handed::claim(phys).inspect_err(|err| {
        pr_err!(
            "LUO: the FLB table at {:#x} is not in preserved memory: {:?}\n",
            phys.get(),
            err
        );
    })?;
    let bytes = table.bytes();
    let (header, entries) = FlbHeaderSer::read_from_prefix(bytes).map_err(|_| EINVAL)?;
    let (pgcnt, count) = (header.pgcnt, header.count);

    if pgcnt.checked_mul(PAGE_SIZE as u64) != Some(bytes.len() as u64)
        || count > flb_capacity(bytes.len()) as u64
    {
        pr_err!(
            "LUO: the FLB table says {} pages and {} entries, but is {} bytes long\n",
            pgcnt,
            count,
            bytes.len()
        );
        return Err(EINVAL);
    }
    let mut flbs = KVec::with_capacity(count as usize, GFP_KERNEL)?;

    for raw in entries
        .chunks_exact(size_of::<FlbSer>())
        .take(count as usize)
    {
        let entry = FlbSer::read_from_bytes(raw).map_err(|_| EINVAL)?;
        let flb = parse_entry(&entry)?;

        if flbs.iter().any(|it: &Arc<IncomingFlb>| it.name == flb.name) {
            pr_err!("LUO: the FLB table has '{}' twice\n", flb.name);
            return Err(EINVAL);
        }
        flbs.push(flb, GFP_KERNEL)?;
    }
    table.free();
    Ok(flbs)
}

fn parse_entry(entry: &FlbSer) -> Result<Arc<IncomingFlb>> {
    let (data, count) = (entry.data, entry.count);
    let Some(name) = FlbName::new(&entry.name) else {
        pr_err!(
            "LUO: the FLB table has the name '{}'\n",
            BadName(&entry.name)
        );
        return Err(EINVAL);
    };

    // What nothing needs is not written, and the writer counts with 31 bits.
    if count == 0 || count > i32::MAX as u64 {
        pr_err!(
            "LUO: FLB '{}' has {} users in the previous kernel\n",
            name,
            count
        );
        return Err(EINVAL);
    }
    IncomingFlb::new(name, data, count)
}

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
#[path = "tests/flb.rs"]
mod tests;
