// SPDX-License-Identifier: GPL-2.0

//! memfds across a live update.
//!
//! Preserved are the contents, the size, the position, and the seals. A memfd of the next kernel
//! has `O_RDWR` and `O_LARGEFILE` as every other, no name, and no `FD_CLOEXEC`, which is a property
//! of the descriptor rather than of the file.
//!
//! Folios that are neighbours in memory and in the file, and aligned alike, come back as one large
//! folio.
//!
//! While it is preserved, a memfd keeps its size, and its holes are filled with zeroed pages.
//! Contents may change until the very end, by `write()` as well as through mappings, because it is
//! the pages themselves that are handed over.
//!
//! A memfd of huge pages (`MFD_HUGETLB`) is none of this handler's: its pages are not in shmem. An
//! unlinked file of tmpfs is as good as a memfd, and comes back as one.
//!
//! There are two formats, see [`format`]: `memfd-v2`, that of mainline's `mm/memfd_luo.c`, and
//! `memfd-extents-v1`. Each has a handler, as the orchestrator finds a file's format by its handler's
//! name. Both read at any time; one of them writes, as `liveupdate_memfd=` says.

use core::marker::PhantomData;

use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

use crate::abi::memfd::ExtentSer;
use crate::abi::memfd::FolioSer;
use crate::kernel::liveupdate::FileHandler;
use crate::kernel::liveupdate::Handler;
use crate::kernel::liveupdate::Incoming;
use crate::kernel::liveupdate::NotRetrieved;
use crate::kernel::liveupdate::Outgoing;
use crate::kernel::shmem::ShmemFile;

mod extents;
mod folios;
mod format;
mod incoming;
mod outgoing;

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
mod tests;

use self::format::Format;

pub(super) use self::format::write_extents;

/// The handler of a format. All of its state is in the files.
struct Memfd<F>(PhantomData<F>);

static FOLIOS: Handler<Memfd<FolioSer>> = Handler::new(Memfd(PhantomData));
static EXTENTS: Handler<Memfd<ExtentSer>> = Handler::new(Memfd(PhantomData));

/// Makes the handlers known to the orchestrator.
pub(super) fn init() -> Result {
    match FOLIOS.register().and_then(|()| EXTENTS.register()) {
        // Live update is off.
        Err(error) if error == EOPNOTSUPP => Ok(()),
        Err(error) => {
            pr_err!(
                "memfd: could not register the handlers: {error:?}; memfds may not be preserved\n"
            );
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

#[vtable]
impl<F: Format + Sync> FileHandler for Memfd<F> {
    const COMPATIBLE: &'static CStr = F::COMPATIBLE;

    type State = KBox<outgoing::Memfd<F>>;

    fn can_preserve(&self, file: &File) -> bool {
        F::is_written() && ShmemFile::from_file(file).is_some_and(|file| !file.is_linked())
    }

    // A memfd that was opened twice, through /proc, is one file all the same.
    fn id(file: &File) -> usize {
        match ShmemFile::from_file(file) {
            Some(file) => file.inode_id(),
            None => 0,
        }
    }

    fn preserve(&self, file: &File) -> Result<Outgoing<Self::State>> {
        let file = ShmemFile::from_file(file).ok_or(EINVAL)?;
        let state = outgoing::Memfd::preserve(file)?;
        Ok(Outgoing {
            data: state.data(),
            state,
        })
    }

    fn unpreserve(&self, file: &File, outgoing: Outgoing<Self::State>) {
        match ShmemFile::from_file(file) {
            Some(file) => outgoing::Memfd::unpreserve(outgoing.state, file),
            // It was one when it was preserved, and files do not change their kind.
            None => drop(outgoing),
        }
    }

    fn freeze(&self, file: &File, _data: &mut u64, state: &mut outgoing::Memfd<F>) -> Result {
        state.freeze(ShmemFile::from_file(file).ok_or(EINVAL)?)
    }

    fn retrieve(&self, data: u64) -> Result<ARef<File>, NotRetrieved> {
        incoming::retrieve::<F>(data)
    }

    fn finish(&self, incoming: Incoming<'_>) {
        // A file that was retrieved has taken everything over, and a failure has freed it.
        if let Incoming::Waiting(data) = incoming {
            incoming::discard::<F>(data);
        }
    }
}
