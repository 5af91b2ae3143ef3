// SPDX-License-Identifier: GPL-2.0

//! Freezing the files of a session, with a handler that refuses one of them.

use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::Relaxed;

use super::*;

use crate::kernel::anon_inode;
use crate::kernel::anon_inode::AnonFile;
use crate::kernel::anon_inode::IoctlCall;
use crate::kernel::liveupdate;
use crate::kernel::liveupdate::FileHandler;
use crate::kernel::liveupdate::Handler;

/// Number of files that the test preserves.
const FILES: u32 = 3;

/// A file that can do nothing.
struct Nothing;

impl AnonFile for Nothing {
    type Ptr = KBox<u32>;

    fn ioctl(_this: &u32, _call: &IoctlCall) -> Result {
        Err(ENOTTY)
    }
}

/// Takes any file while the test runs, and numbers them from zero.
struct Picky {
    armed: Atomic<bool>,
    /// The file whose freeze fails.
    refused: Atomic<u32>,
    preserved: Atomic<u32>,
    /// A bit for each file that is frozen.
    frozen: Atomic<u32>,
    /// The last one that was unfrozen; their numbers go down.
    thawed: Atomic<u32>,
}

/// Nobody is refused, or nobody was thawed.
const NONE: u32 = u32::MAX;

#[vtable]
impl FileHandler for &'static Picky {
    const COMPATIBLE: &'static CStr = c"kunit-picky-v1";
    type State = KBox<u32>;

    fn can_preserve(&self, _file: &File) -> bool {
        self.armed.load(Relaxed)
    }

    fn preserve(&self, _file: &File) -> Result<liveupdate::Outgoing<Self::State>> {
        let number = self.preserved.load(Relaxed);
        let state = KBox::new(number, GFP_KERNEL)?;

        self.preserved.store(number + 1, Relaxed);
        Ok(liveupdate::Outgoing { data: 1, state })
    }

    fn unpreserve(&self, _file: &File, _outgoing: liveupdate::Outgoing<Self::State>) {
        self.preserved
            .store(self.preserved.load(Relaxed) - 1, Relaxed);
    }

    fn freeze(&self, _file: &File, _data: &mut u64, number: &mut u32) -> Result {
        if *number == self.refused.load(Relaxed) {
            return Err(EIO);
        }
        self.frozen
            .store(self.frozen.load(Relaxed) | 1 << *number, Relaxed);
        Ok(())
    }

    fn unfreeze(&self, _file: &File, _data: u64, number: &mut u32) {
        // One that is not frozen, or comes too early, stays in the record for the test to find.
        if self.frozen.load(Relaxed) & 1 << *number != 0 && *number < self.thawed.load(Relaxed) {
            self.frozen
                .store(self.frozen.load(Relaxed) & !(1 << *number), Relaxed);
        }
        self.thawed.store(*number, Relaxed);
    }

    fn retrieve(&self, _data: u64) -> Result<ARef<File>, liveupdate::NotRetrieved> {
        Err(liveupdate::NotRetrieved::Final(EINVAL))
    }

    fn finish(&self, _incoming: liveupdate::Incoming<'_>) {}
}

static PICKY: Picky = Picky {
    armed: Atomic::new(false),
    refused: Atomic::new(NONE),
    preserved: Atomic::new(0),
    frozen: Atomic::new(0),
    thawed: Atomic::new(NONE),
};

static HANDLER: Handler<&'static Picky> = Handler::new(&PICKY);

fn a_file() -> Result<ARef<File>> {
    anon_inode::new_file::<Nothing>(b"[liveupdate_test]\0", KBox::new(0, GFP_KERNEL)?)
}

/// Preserves all files; the handler takes none from then on. [`None`] if live update is off.
///
/// The handler stays registered, and does nothing outside of these tests.
fn files() -> Result<Option<OutgoingFiles>> {
    let mut files = OutgoingFiles::new();

    match HANDLER.register() {
        Err(error) if error == EOPNOTSUPP => return Ok(None),
        Err(error) if error == EEXIST => {}
        result => result?,
    }
    PICKY.armed.store(true, Relaxed);
    let result = (0..FILES).try_for_each(|token| files.preserve(token.into(), a_file));
    PICKY.armed.store(false, Relaxed);
    result.map(|()| Some(files))
}

/// Has the handler refuse to freeze a file, and begin a new record.
fn refuse(number: u32) {
    PICKY.refused.store(number, Relaxed);
    PICKY.thawed.store(NONE, Relaxed);
}

#[kunit_tests(liveupdate_luo_file)]
mod suite {
    use super::*;

    #[test]
    fn a_freeze_that_fails_is_undone_for_those_before_it() -> Result {
        let Some(mut files) = files()? else {
            return Ok(());
        };
        for refused in 0..FILES {
            refuse(refused);
            assert_eq!(files.freeze().err(), Some(EIO));
            assert_eq!(PICKY.frozen.load(Relaxed), 0);
            let last = if refused == 0 { NONE } else { 0 };
            assert_eq!(PICKY.thawed.load(Relaxed), last);
            assert_eq!(PICKY.preserved.load(Relaxed), FILES);
        }
        files.clear();
        assert_eq!(PICKY.preserved.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn a_freeze_can_be_taken_back_and_tried_again() -> Result {
        let Some(mut files) = files()? else {
            return Ok(());
        };
        for _ in 0..2 {
            refuse(NONE);
            let count = files.freeze()?.count;
            assert_eq!(count, u64::from(FILES));
            assert_eq!(PICKY.frozen.load(Relaxed), (1 << FILES) - 1);
            files.unfreeze();
            assert_eq!(PICKY.frozen.load(Relaxed), 0);
            assert_eq!(PICKY.thawed.load(Relaxed), 0);
        }
        files.clear();
        assert_eq!(PICKY.preserved.load(Relaxed), 0);
        Ok(())
    }
}
