// SPDX-License-Identifier: GPL-2.0

//! Sessions: named sets of files, each behind a file descriptor of its own.
//!
//! A session that is made here is [`Outgoing`]; one that the previous kernel made is [`Incoming`].
//! They are different types behind different files, so that an ioctl meant for one has nothing to
//! do with the other.
//!
//! Locks, in the order in which they are taken:
//!
//! 1. [`GATE`]: shared by everything that changes sessions, held alone by the reboot, and kept for
//!    ever once that has written everything down.
//! 2. The list of sessions, [`OUTGOING`] or [`incoming`](super::incoming).
//! 3. The files of a session.

use kernel::fs::File;
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;
use kernel::sync::ArcBorrow;
use kernel::sync::Mutex;
use zerocopy::FromBytes;

use crate::abi::luo::LuoSer;
use crate::abi::luo::SessionSer;
use crate::abi::luo::SESSION_NAME_LEN;
use crate::kernel::anon_inode;
use crate::kernel::anon_inode::AnonFile;
use crate::kernel::anon_inode::IoctlCall;
use crate::kernel::sync::StaticMutex;
use crate::kernel::sync::StaticRwSem;
use crate::kho::Preserved;

use super::blocks::BlockSet;
use super::file::IncomingFiles;
use super::file::OutgoingFiles;
use super::flb;
use super::incoming;
use super::index::Index;
use super::name::SessionName;
use super::uapi;
use super::uapi::Argument;
use super::uapi::NewFile;

/// Keeps the reboot and everything else apart.
pub(super) static GATE: StaticRwSem<()> = StaticRwSem::new(c"luo_gate", ());

/// A session that goes to the next kernel.
#[pin_data]
pub(super) struct Outgoing {
    name: SessionName,
    #[pin]
    files: Mutex<OutgoingFiles>,
}

/// All sessions that go to the next kernel, and what it will read.
struct Sessions {
    by_name: Index<SessionName, Arc<Outgoing>>,
    count: usize,
    blocks: BlockSet<SessionSer>,
    head: Option<Head>,
}

/// What the next kernel finds first.
struct Head {
    /// [`LuoSer`].
    luo: Preserved,
    /// The table of FLBs.
    flbs: Preserved,
}

static OUTGOING: StaticMutex<Sessions> = StaticMutex::new(
    c"luo_sessions",
    Sessions {
        by_name: Index::new(),
        count: 0,
        blocks: BlockSet::new(),
        head: None,
    },
);

/// Gives the outgoing side what the next kernel finds first.
pub(super) fn start(luo: Preserved, flbs: Preserved) {
    OUTGOING.lock().head = Some(Head { luo, flbs });
}

/// What the name of a session's file in /proc begins with.
const FILE_PREFIX: &[u8] = b"[luo_session] ";

/// The name of a session's file in /proc, and at least one NUL.
fn file_name(name: &SessionName) -> [u8; FILE_PREFIX.len() + SESSION_NAME_LEN] {
    let mut bytes = [0; FILE_PREFIX.len() + SESSION_NAME_LEN];
    let (prefix, rest) = bytes.split_at_mut(FILE_PREFIX.len());

    prefix.copy_from_slice(FILE_PREFIX);
    rest.copy_from_slice(name.padded());
    bytes
}

/// Makes a session and its file.
///
/// `EEXIST` if there is one of this name, `ENOSPC` if there are too many, `ENOMEM`.
pub(super) fn create(name: SessionName) -> Result<ARef<File>> {
    let _gate = GATE.read();
    let session = Sessions::add(&mut OUTGOING.lock(), name)?;

    anon_inode::new_file::<Outgoing>(&file_name(&name), session.clone())
        .inspect_err(|_| OUTGOING.lock().remove(&session))
}

impl Sessions {
    fn add(&mut self, name: SessionName) -> Result<Arc<Outgoing>> {
        let session = Arc::pin_init(
            pin_init!(Outgoing {
                name,
                files <- new_mutex!(OutgoingFiles::new(), "luo_session"),
            }),
            GFP_KERNEL,
        )?;

        self.by_name.insert(name, session.clone())?;
        if let Err(error) = self.blocks.grow(self.count + 1) {
            self.by_name.remove(&name);
            return Err(error);
        }
        self.count += 1;
        Ok(session)
    }

    fn remove(&mut self, session: &Outgoing) {
        if self.by_name.remove(&session.name).is_some() {
            self.count -= 1;
            self.blocks.shrink(self.count);
        }
    }

    /// Freezes all sessions and writes them down. On error all of them are as before.
    fn freeze(&mut self) -> Result {
        self.set_head(0)?;
        let written = self.blocks.write(self.by_name.values(), |session, entry| {
            session.freeze(entry)
        });
        if let Err((frozen, error)) = written {
            // The tree has no reverse iterator: sessions do not depend on each other, so the order
            // among them does not matter. Files within one are undone last first.
            for session in self.by_name.values().take(frozen) {
                session.files.lock().unfreeze();
            }
            self.blocks.clear();
            return Err(error);
        }
        let first = if self.count > 0 {
            self.blocks.head()
        } else {
            0
        };
        self.set_head(first)
    }

    /// Tells the next kernel where the sessions are.
    fn set_head(&mut self, sessions: u64) -> Result {
        let head = self.head.as_mut().ok_or(EINVAL)?;
        let (luo, _) = LuoSer::mut_from_prefix(head.luo.bytes_mut()).map_err(|_| EINVAL)?;

        luo.sessions_pa = sessions;
        Ok(())
    }
}

impl Outgoing {
    fn freeze(&self, entry: &mut SessionSer) -> Result {
        entry.name = *self.name.padded();
        entry.file_set = self.files.lock().freeze()?;
        Ok(())
    }
}

/// Writes everything down for the next kernel, which is about to be started.
///
/// On success nothing changes any more: whoever wants to change a session waits for ever. On error
/// everything is as before.
///
/// C counterpart: `liveupdate_reboot()`.
pub(super) fn reboot() -> Result {
    let gate = GATE.write();
    let mut sessions = OUTGOING.lock();

    if sessions.head.is_none() {
        // The outgoing side could not be set up: there is nothing to write down.
        return Ok(());
    }
    sessions.freeze()?;
    if let Some(head) = sessions.head.as_mut() {
        flb::write_table(&mut head.flbs);
    }
    core::mem::forget(gate);
    Ok(())
}

impl AnonFile for Outgoing {
    type Ptr = Arc<Self>;

    fn ioctl(this: ArcBorrow<'_, Self>, call: &IoctlCall) -> Result {
        let nr = known_number(call.cmd())?;
        let argument = Argument::new(call.arg())?;

        if call.cmd() != uapi::command(nr) {
            return Err(ENOTTY);
        }
        match nr {
            uapi::SESSION_PRESERVE_FD => {
                let request: uapi::SessionFd = argument.read()?;
                // The answer is the question. It comes first, so that whoever gets `EFAULT` knows
                // that the file is not preserved.
                argument.write(&request)?;
                let _gate = GATE.read();
                let mut files = this.files.lock();

                files.preserve(request.token, || call.file(request.fd))
            }
            uapi::SESSION_GET_NAME => get_name(&this.name, &argument),
            _ => Err(EINVAL),
        }
    }

    fn release(this: Arc<Self>) {
        let _gate = GATE.read();

        this.files.lock().clear();
        OUTGOING.lock().remove(&this);
    }
}

/// The number of a command, if it is one of those on sessions.
fn known_number(cmd: u32) -> Result<u32> {
    match uapi::number(cmd) {
        nr @ uapi::SESSION_PRESERVE_FD..=uapi::SESSION_GET_NAME => Ok(nr),
        _ => Err(EINVAL),
    }
}

fn get_name(name: &SessionName, argument: &Argument) -> Result {
    let mut request: uapi::GetName = argument.read()?;

    if request.reserved != 0 {
        return Err(EINVAL);
    }
    request.name = *name.padded();
    argument.write(&request)
}

/// A session that came from the previous kernel.
#[pin_data]
pub(super) struct Incoming {
    name: SessionName,
    #[pin]
    inner: Mutex<IncomingState>,
}

struct IncomingState {
    holder: Holder,
    files: IncomingFiles,
}

/// Who has the file of a session. There is one at a time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// There is no file.
    Nobody,
    /// It was made, but userspace has not got it. If it never does, then closing it says nothing
    /// about the session.
    Kernel,
    /// It was retrieved.
    User,
}

impl Incoming {
    /// Makes a session of what the previous kernel wrote down.
    pub(super) fn new(name: SessionName, files: IncomingFiles) -> Result<Arc<Self>> {
        let state = IncomingState {
            holder: Holder::Nobody,
            files,
        };

        Arc::pin_init(
            pin_init!(Self {
                name,
                inner <- new_mutex!(state, "luo_incoming"),
            }),
            GFP_KERNEL,
        )
    }

    /// The name of the session.
    pub(super) fn name(&self) -> &SessionName {
        &self.name
    }

    /// Makes a file for the session. `EINVAL` if there is one.
    pub(super) fn open(this: Arc<Self>) -> Result<Retrieved> {
        let mut inner = this.inner.lock();

        if inner.holder != Holder::Nobody {
            return Err(EINVAL);
        }
        let file = anon_inode::new_file::<Self>(&file_name(&this.name), this.clone())?;
        inner.holder = Holder::Kernel;
        drop(inner);
        Ok(Retrieved {
            file,
            session: this,
        })
    }
}

/// The file of an incoming session that userspace has not seen yet.
pub(super) struct Retrieved {
    file: ARef<File>,
    session: Arc<Incoming>,
}

impl NewFile for Retrieved {
    fn accept(self) -> ARef<File> {
        self.session.inner.lock().holder = Holder::User;
        self.file
    }
}

impl AnonFile for Incoming {
    type Ptr = Arc<Self>;

    fn ioctl(this: ArcBorrow<'_, Self>, call: &IoctlCall) -> Result {
        let nr = known_number(call.cmd())?;
        let argument = Argument::new(call.arg())?;

        if call.cmd() != uapi::command(nr) {
            return Err(ENOTTY);
        }
        match nr {
            uapi::SESSION_RETRIEVE_FD => {
                let mut request: uapi::SessionFd = argument.read()?;
                let token = request.token;

                // Not while userspace is written to, for that may take as long as it likes.
                uapi::give_fd(
                    || {
                        let _gate = GATE.read();
                        this.inner.lock().files.retrieve(token)
                    },
                    |fd| {
                        request.fd = fd;
                        argument.write(&request)
                    },
                )
            }
            uapi::SESSION_FINISH => {
                let request: uapi::Finish = argument.read()?;

                if request.reserved != 0 {
                    return Err(EINVAL);
                }
                // First, so that whoever gets `EFAULT` knows that nothing is finished.
                argument.write(&request)?;
                let _gate = GATE.read();
                this.inner.lock().files.finish()
            }
            uapi::SESSION_GET_NAME => get_name(&this.name, &argument),
            _ => Err(EINVAL),
        }
    }

    /// Whoever closes a session has finished with it. If a handler does not agree, the session can
    /// be retrieved once more.
    fn release(this: Arc<Self>) {
        let _gate = GATE.read();
        let mut inner = this.inner.lock();

        if inner.holder != Holder::User {
            inner.holder = Holder::Nobody;
            return;
        }
        let finished = inner.files.finish();
        if finished.is_err() {
            inner.holder = Holder::Nobody;
        }
        drop(inner);

        match finished {
            Ok(()) => incoming::forget(&this.name),
            Err(error) => pr_warn!(
                "LUO: session '{}' was closed but cannot be finished ({:?}): it can be retrieved again\n",
                this.name,
                error
            ),
        }
    }
}
