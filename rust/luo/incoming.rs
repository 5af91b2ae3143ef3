// SPDX-License-Identifier: GPL-2.0

//! What the previous kernel's LUO left.
//!
//! Read in two steps: at boot, whether there is anything and whether it can be trusted as a whole, and
//! what drivers may ask for; when the device is opened first, the sessions and their files, for which
//! the boot need not wait.
//!
//! Where mainline panics, or refuses each open of the device from then on, this goes on: what
//! cannot be read stays reserved, asking for it gives `EIO`, and everything else works.
//! `liveupdate_incoming=panic` on the command line gives the panic.

use kernel::prelude::*;
use kernel::sync::atomic::AtomicFlag;
use kernel::sync::atomic::Relaxed;
use kernel::sync::Arc;
use zerocopy::FromBytes;

use crate::abi::luo::LuoSer;
use crate::abi::luo::SessionSer;
use crate::abi::luo::COMPATIBLE;
use crate::kernel::panic::panic_bad_incoming;
use crate::kernel::sync::StaticMutex;
use crate::kho;
use crate::kho::Handed;

use super::blocks::HandedChain;
use super::file::IncomingFiles;
use super::flb;
use super::index::Index;
use super::name::BadName;
use super::name::SessionName;
use super::session::Incoming;
use super::session::Retrieved;
use super::session::GATE;

/// Name of the subtree, for this kernel and the next one.
pub(super) const SUBTREE: &CStr = c"LUO";

/// `liveupdate_incoming=panic`.
static PANIC: AtomicFlag = AtomicFlag::new(false);

/// Sessions by name.
type Sessions = Index<SessionName, Arc<Incoming>>;

/// The incoming side.
enum State {
    /// Nothing came in.
    Absent,
    /// Sessions came in that have not been read.
    Unread(HandedChain<SessionSer>),
    /// All sessions that could be read, by name; `true` if there are others.
    Read(Sessions, bool),
    /// What came in cannot be read.
    Bad,
}

static STATE: StaticMutex<State> = StaticMutex::new(c"luo_incoming_sessions", State::Absent);

/// Chooses between a panic and going on when something cannot be read.
pub(super) fn set_panic(on: bool) {
    PANIC.store(on, Relaxed);
}

/// Something that the previous kernel left cannot be read, which the log says already.
fn trouble() {
    if PANIC.load(Relaxed) {
        panic_bad_incoming();
    }
}

/// Looks at what the previous kernel left. Returns the number of live updates so far.
pub(super) fn start() -> u64 {
    let (phys, size) = match kho::retrieve_subtree(SUBTREE) {
        Ok(found) => found,
        Err(error) if error == ENOENT => {
            if kho::is_kho_boot() {
                pr_notice!("LUO: nothing in the handover: there are no sessions to retrieve\n");
            }
            flb::set_absent();
            return 0;
        }
        Err(error) => {
            pr_err!("LUO: the handover has no valid state: {:?}\n", error);
            refuse();
            return 0;
        }
    };
    match Handed::claim(phys) {
        Ok(blob) => read_head(blob, size),
        Err(_) => {
            pr_err!("LUO: state at {} is not in preserved memory\n", phys);
            refuse();
            0
        }
    }
}

/// Nothing of what came in can be used.
fn refuse() {
    pr_err!(
        "LUO: invalid handover: sessions of the previous kernel cannot be retrieved; their memory stays reserved\n"
    );
    flb::set_bad();
    *STATE.lock() = State::Bad;
    trouble();
}

fn read_head(blob: Handed, size: usize) -> u64 {
    let bytes = blob.bytes();
    let bytes = bytes.get(..size).unwrap_or(bytes);
    let Ok((head, _)) = LuoSer::read_from_prefix(bytes) else {
        pr_err!("LUO: state of {} bytes is too small\n", size);
        refuse();
        return 0;
    };
    if !head.compatible.starts_with(COMPATIBLE.as_bytes())
        || head.compatible.get(COMPATIBLE.len()) != Some(&0)
    {
        pr_err!(
            "LUO: state is '{}', not compatible with '{}'\n",
            BadName(&head.compatible),
            COMPATIBLE
        );
        refuse();
        return 0;
    }
    let (number, sessions, flbs) = (head.liveupdate_num, head.sessions_pa, head.flbs_pa);
    let state = match sessions {
        0 => State::Read(Index::new(), false),
        // Without sessions there is no address.
        head => match HandedChain::claim(head).and_then(HandedChain::expect_some) {
            Ok(chain) => State::Unread(chain),
            Err(trouble) => {
                pr_err!("LUO: sessions: {}\n", trouble);
                refuse();
                return number;
            }
        },
    };
    // Files that share nothing come back without it; the handlers of the others get `EIO`.
    if flb::read_incoming(flbs).is_err() {
        pr_err!("LUO: invalid handover: what files of the previous kernel share cannot be restored; its memory stays reserved\n");
        trouble();
    }
    pr_info!(
        "LUO: retrieved live update data, liveupdate number: {}\n",
        number
    );
    *STATE.lock() = state;
    blob.free();
    number
}

/// Reads the sessions, if that has not been done. `ENOMEM` if there is no memory for that, when nothing has
/// changed.
pub(super) fn read_sessions() -> Result {
    let mut guard = STATE.lock();

    let State::Unread(chain) = &*guard else {
        return Ok(());
    };
    let (sessions, lost) = read_chain(chain).inspect_err(|_| {
        pr_err!("LUO: no memory for the sessions of the previous kernel; they are read when the device is opened again\n");
    })?;
    if lost {
        pr_err!("LUO: invalid handover: some sessions of the previous kernel cannot be retrieved; their memory stays reserved\n");
        trouble();
    }
    let before = core::mem::replace(&mut *guard, State::Read(sessions, lost));
    if let State::Unread(chain) = before {
        chain.free();
    }
    Ok(())
}

/// All sessions that can be read, and whether there are others. `ENOMEM` is the only error.
fn read_chain(chain: &HandedChain<SessionSer>) -> Result<(Sessions, bool)> {
    let mut sessions = Index::new();
    let mut lost = false;

    for entry in chain.iter() {
        let kept = read_session(entry).and_then(|session| {
            let name = *session.name();
            sessions.insert(name, session).inspect_err(|error| {
                pr_err!("LUO: session '{}' cannot be kept: {:?}\n", name, error);
            })
        });
        match kept {
            Err(error) if error == ENOMEM => return Err(error),
            kept => lost |= kept.is_err(),
        }
    }
    Ok((sessions, lost))
}

fn read_session(entry: &SessionSer) -> Result<Arc<Incoming>> {
    let Some(name) = SessionName::new(&entry.name) else {
        pr_err!("LUO: a session has the name '{}'\n", BadName(&entry.name));
        return Err(EINVAL);
    };
    let set = entry.file_set;
    let files = IncomingFiles::read(&set).inspect_err(|_| {
        pr_err!("LUO: session '{}' cannot be read\n", name);
    })?;

    Incoming::new(name, files)
}

/// Makes a file for the session of this name.
///
/// `ENOENT` if there is none, `EINVAL` if it has been retrieved, `EIO` if there may have been one
/// that cannot be read.
pub(super) fn retrieve(name: &SessionName) -> Result<Retrieved> {
    let _gate = GATE.read();
    let session = match &*STATE.lock() {
        State::Absent => return Err(ENOENT),
        State::Unread(_) | State::Bad => return Err(EIO),
        State::Read(sessions, lost) => match sessions.get(name) {
            Some(session) => session.clone(),
            None if *lost => return Err(EIO),
            None => return Err(ENOENT),
        },
    };

    Incoming::open(session)
}

/// Takes a finished session out.
pub(super) fn forget(name: &SessionName) {
    if let State::Read(sessions, _) = &mut *STATE.lock() {
        sessions.remove(name);
    }
}
