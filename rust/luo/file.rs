// SPDX-License-Identifier: GPL-2.0

//! The files of a session: those that will be preserved, and those that were.
//!
//! The two have nothing in common but a token, so they are two types. A file that is preserved owns
//! all that preserving it took; dropping it takes that back, which is how every failure and the end
//! of a session are undone.

use core::mem::size_of;

use kernel::fs::File;
use kernel::prelude::*;
use kernel::rbtree::RBTreeNodeReservation;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;

use crate::abi::luo::FileSer;
use crate::abi::luo::FileSetSer;
use crate::kernel::bindings;
use crate::kernel::c_handler::HandlerPrivate;
use crate::kernel::c_handler::HandlerRef;
use crate::kernel::c_handler::RetrieveStatus;
use crate::kernel::liveupdate::NotRetrieved;
use crate::kernel::sync::StaticMutex;

use super::blocks::BlockSet;
use super::blocks::HandedChain;
use super::blocks::Trouble;
use super::files::Files;
use super::files::HasToken;
use super::flb::FlbHolds;
use super::flb::Links;
use super::index::Index;
use super::name::BadName;
use super::name::HandlerName;
use super::registry;

/// Everything that is preserved or was restored and not finished, by what its handler says makes
/// two files the same.
static IN_USE: StaticMutex<Index<usize, ()>> = StaticMutex::new(c"luo_files", Index::new());

/// That a file is in one session only; dropping it lets it into another.
struct Claim(usize);

impl Claim {
    /// `EBUSY` if the file is in a session, `ENOMEM` without memory.
    fn new(handler: &HandlerRef, file: &File) -> Result<Self> {
        Self::reserve()?.claim(handler, file)
    }

    /// Memory for a claim, to be had before there is a file. `ENOMEM` without.
    fn reserve() -> Result<ClaimMemory> {
        Ok(ClaimMemory(Index::<usize, ()>::reserve()?))
    }
}

/// What a [`Claim`] takes.
struct ClaimMemory(RBTreeNodeReservation<usize, ()>);

impl ClaimMemory {
    /// `EBUSY` if the file is in a session.
    fn claim(self, handler: &HandlerRef, file: &File) -> Result<Claim> {
        let id = handler.id_of(file);

        match IN_USE.lock().insert_within(self.0, id, ()) {
            Ok(()) => Ok(Claim(id)),
            Err(_) => Err(EBUSY),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        IN_USE.lock().remove(&self.0);
    }
}

/// A file that goes to the next kernel.
struct OutgoingFile {
    token: u64,
    data: u64,
    private: HandlerPrivate,
    // Dropped in this order, after the handler has let go: what came last goes first.
    _flbs: FlbHolds,
    _claim: Claim,
    handler: HandlerRef,
    file: ARef<File>,
}

impl OutgoingFile {
    /// Preserves a file. `ENOENT` if no handler takes it, `EBUSY` if it is in a session, or what
    /// the handler or an FLB says.
    fn new(token: u64, file: ARef<File>) -> Result<Self> {
        let (handler, flbs) = registry::handler_for(&file)?;
        let claim = Claim::new(&handler, &file)?;
        let flbs = FlbHolds::new(flbs)?;
        let (data, private) = handler.preserve(&file)?;

        Ok(Self {
            token,
            data,
            private,
            _flbs: flbs,
            _claim: claim,
            handler,
            file,
        })
    }

    fn freeze(&mut self) -> Result {
        self.data = self
            .handler
            .freeze(&self.file, self.data, self.private)
            .inspect_err(|error| {
                pr_warn!(
                    "LUO: file with token {:#x} cannot be frozen by '{}': {:?}\n",
                    self.token,
                    BadName(self.handler.compatible()),
                    error
                );
            })?;
        Ok(())
    }

    fn unfreeze(&self) {
        self.handler.unfreeze(&self.file, self.data, self.private);
    }

    fn entry(&self) -> FileSer {
        FileSer {
            compatible: *self.handler.compatible(),
            data: self.data,
            token: self.token,
        }
    }
}

impl HasToken for OutgoingFile {
    fn token(&self) -> u64 {
        self.token
    }
}

impl Drop for OutgoingFile {
    fn drop(&mut self) {
        self.handler.unpreserve(&self.file, self.data, self.private);
    }
}

/// The files of a session that goes to the next kernel, in the order in which they were preserved.
pub(super) struct OutgoingFiles {
    files: Files<OutgoingFile>,
    blocks: BlockSet<FileSer>,
}

impl OutgoingFiles {
    pub(super) const fn new() -> Self {
        Self {
            files: Files::new(),
            blocks: BlockSet::new(),
        }
    }

    /// Preserves the file that `find` gives.
    ///
    /// `EEXIST` if the token is in use, `ENOSPC` if the session is full; see also
    /// [`OutgoingFile::new`]. Nothing has changed on error.
    pub(super) fn preserve(
        &mut self,
        token: u64,
        find: impl FnOnce() -> Result<ARef<File>>,
    ) -> Result {
        if self.files.contains(token) {
            return Err(EEXIST);
        }
        self.blocks.grow(self.files.len() + 1)?;
        let added = self.add(token, find);

        if added.is_err() {
            self.blocks.shrink(self.files.len());
        }
        added
    }

    fn add(&mut self, token: u64, find: impl FnOnce() -> Result<ARef<File>>) -> Result {
        let file = find()?;

        // Before the file is preserved, which is much to undo.
        self.files.reserve(1)?;
        self.files.push(OutgoingFile::new(token, file)?)
    }

    /// Freezes all files and writes them down for the next kernel. On error all of them are as
    /// before.
    pub(super) fn freeze(&mut self) -> Result<FileSetSer> {
        let files = self.files.as_mut_slice();
        let written = self.blocks.write(files.iter_mut(), |file, entry| {
            file.freeze()?;
            *entry = file.entry();
            Ok(())
        });

        match written {
            Ok(()) => Ok(FileSetSer {
                files: self.blocks.head(),
                count: self.files.len() as u64,
            }),
            Err((frozen, error)) => {
                self.unfreeze_before(frozen);
                Err(error)
            }
        }
    }

    /// Takes [`Self::freeze`] back.
    pub(super) fn unfreeze(&mut self) {
        self.unfreeze_before(self.files.len());
    }

    fn unfreeze_before(&mut self, end: usize) {
        for file in self.files.as_slice().iter().take(end).rev() {
            file.unfreeze();
        }
        self.blocks.clear();
    }

    /// Takes all files out, last one first.
    pub(super) fn clear(&mut self) {
        while let Some(file) = self.files.pop() {
            drop(file);
        }
        self.blocks.shrink(0);
    }
}

impl Drop for OutgoingFiles {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How far a file of the previous kernel has come.
enum Stage {
    /// Nobody asked for it.
    Waiting,
    /// It was handed out, and is kept here until the session is finished.
    Retrieved {
        file: ARef<File>,
        /// Keeps the file out of other sessions until then.
        _claim: Option<Claim>,
    },
    /// It could not be restored, and trying again could only make it worse.
    Failed(Error),
}

/// A file that came from the previous kernel.
struct IncomingFile {
    token: u64,
    name: HandlerName,
    data: u64,
    /// Found when it is needed: its module may be loaded late.
    handler: Option<HandlerRef>,
    /// That there is no handler is in the log.
    warned: bool,
    stage: Stage,
}

impl HasToken for IncomingFile {
    fn token(&self) -> u64 {
        self.token
    }
}

impl IncomingFile {
    fn handler(&mut self) -> Result<&HandlerRef> {
        if self.handler.is_none() {
            self.handler = registry::handler_named(&self.name);
        }
        if self.handler.is_none() && !core::mem::replace(&mut self.warned, true) {
            pr_warn!(
                "LUO: no handler for '{}' is registered; load its module and try again\n",
                self.name
            );
        }
        self.handler.as_ref().ok_or(ENOENT)
    }

    fn retrieve(&mut self) -> Result<ARef<File>> {
        match &self.stage {
            Stage::Retrieved { file, .. } => return Ok(file.clone()),
            Stage::Failed(error) => return Err(*error),
            Stage::Waiting => {}
        }
        let data = self.data;
        let handler = self.handler()?;
        // First: without memory for it nothing has changed, and it can be asked for again.
        let claim = Claim::reserve()?;
        let restored = handler.retrieve(data);
        // A handler that says that two files are the same breaks its promise; both are handed out,
        // but only one of them can be preserved again before the session is finished.
        let claim = match &restored {
            Ok(file) => claim.claim(handler, file).ok(),
            Err(_) => None,
        };
        match restored {
            Ok(file) => {
                self.stage = Stage::Retrieved {
                    file: file.clone(),
                    _claim: claim,
                };
                Ok(file)
            }
            Err(NotRetrieved::Later(error)) => Err(error),
            Err(NotRetrieved::Final(error)) => {
                self.stage = Stage::Failed(error);
                Err(error)
            }
        }
    }

    /// The file, if it was handed out, and how that went.
    fn status(&self) -> (Option<&File>, RetrieveStatus) {
        match &self.stage {
            Stage::Waiting => (None, RetrieveStatus::NotTried),
            Stage::Retrieved { file, .. } => (Some(file), RetrieveStatus::Done),
            Stage::Failed(error) => (None, RetrieveStatus::Failed(*error)),
        }
    }

    fn check_finish(&mut self) -> Result {
        self.handler()?;
        let (file, status) = self.status();

        match &self.handler {
            Some(handler) if handler.can_finish(file, self.data, status) => Ok(()),
            _ => Err(EBUSY),
        }
    }

    /// Lets go of it, and of what `needs` finds that files of its handler need.
    fn finish(self, needs: &mut Needs) {
        let (file, status) = self.status();

        if let Some(handler) = &self.handler {
            handler.finish(file, self.data, status);
            if let Some(flbs) = needs.of(handler) {
                flbs.finish_file();
            }
        }
    }
}

/// What files of a handler need. Remembers the last answer: files of a session are mostly alike.
struct Needs(Option<(*mut bindings::liveupdate_file_handler, Option<Arc<Links>>)>);

impl Needs {
    fn of(&mut self, handler: &HandlerRef) -> Option<&Links> {
        let known = matches!(&self.0, Some((known, _)) if *known == handler.as_ptr());

        if !known {
            self.0 = Some((handler.as_ptr(), registry::flbs_of(handler)));
        }
        self.0.as_ref()?.1.as_deref()
    }
}

/// The files of a session that came from the previous kernel.
pub(super) struct IncomingFiles {
    files: Files<IncomingFile>,
    /// What they were read from; freed with the last of them.
    chain: Option<HandedChain<FileSer>>,
}

impl IncomingFiles {
    /// Reads what the previous kernel wrote down. On error says why in the log: `ENOMEM` if it can be tried
    /// again.
    pub(super) fn read(set: &FileSetSer) -> Result<Self> {
        let (head, count) = (set.files, set.count);
        let mut this = Self {
            files: Files::new(),
            chain: None,
        };

        if head == 0 && count == 0 {
            return Ok(this);
        }
        let chain = HandedChain::<FileSer>::claim(head)
            .and_then(|chain| chain.expect_total(count))
            .map_err(|trouble| {
                pr_err!("LUO: files of a session: {}\n", trouble);
                match trouble {
                    Trouble::NoMemory => ENOMEM,
                    _ => EINVAL,
                }
            })?;

        // There are as many entries in memory, so that this is not more than can be.
        this.files.reserve(count as usize)?;
        for entry in chain.iter() {
            this.add(entry)?;
        }
        this.chain = Some(chain);
        Ok(this)
    }

    fn add(&mut self, entry: &FileSer) -> Result {
        let (token, data) = (entry.token, entry.data);
        let Some(name) = HandlerName::new(&entry.compatible) else {
            pr_err!(
                "LUO: file with token {:#x} has no valid handler name: '{}'\n",
                token,
                BadName(&entry.compatible)
            );
            return Err(EINVAL);
        };
        let file = IncomingFile {
            token,
            name,
            data,
            handler: None,
            warned: false,
            stage: Stage::Waiting,
        };

        self.files.push(file).inspect_err(|error| {
            pr_err!(
                "LUO: file with token {:#x} cannot be kept: {}\n",
                token,
                match *error {
                    EEXIST => "its token is there twice",
                    _ => "out of memory",
                }
            );
        })
    }

    /// Restores the file with a token, or gives out once more the one that was restored.
    ///
    /// `ENOENT` if there is none or its handler is not registered, or what the handler said the
    /// first time.
    pub(super) fn retrieve(&mut self, token: u64) -> Result<ARef<File>> {
        self.files.find_mut(token).ok_or(ENOENT)?.retrieve()
    }

    /// Lets go of all files, last one first, if all of their handlers agree.
    ///
    /// `EBUSY` if one does not, `ENOENT` if one is not registered; then nothing has changed.
    pub(super) fn finish(&mut self) -> Result {
        for file in self.files.as_mut_slice() {
            file.check_finish()?;
        }
        let mut needs = Needs(None);
        while let Some(file) = self.files.pop() {
            file.finish(&mut needs);
        }
        if let Some(chain) = self.chain.take() {
            chain.free();
        }
        Ok(())
    }
}

const _: () = assert!(size_of::<FileSer>() == 64);

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
#[path = "tests/file.rs"]
mod tests;
