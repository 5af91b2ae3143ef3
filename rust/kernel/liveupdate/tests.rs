// SPDX-License-Identifier: GPL-2.0

//! The C side of handlers and FLBs: what the orchestrator calls, and what comes of it.

use core::ptr::NonNull;

use kernel::error::from_err_ptr;
use kernel::prelude::*;

use super::*;

/// A handler that counts how often each of its functions was called.
struct Probe {
    frozen: Atomic<u32>,
    unpreserved: Atomic<u32>,
    finished: Atomic<u32>,
}

impl Probe {
    const fn new() -> Self {
        Self {
            frozen: Atomic::new(0),
            unpreserved: Atomic::new(0),
            finished: Atomic::new(0),
        }
    }
}

/// Some file or other.
fn a_file() -> Result<ARef<File>> {
    // SAFETY: The name is a C string; the flags ask for nothing special.
    let file = from_err_ptr(unsafe { bindings::memfd_alloc_file(c"".as_char_ptr(), 0) })?;
    let file = NonNull::new(file).ok_or(ENOMEM)?;
    // SAFETY: The file is new and comes with one reference. Nobody else knows it.
    Ok(unsafe { ARef::from_raw(file.cast()) })
}

fn count(counter: &Atomic<u32>) {
    counter.fetch_add(1, Relaxed);
}

#[vtable]
impl FileHandler for Probe {
    const COMPATIBLE: &'static CStr = c"kunit-probe-v1";
    type State = KBox<u64>;

    fn can_preserve(&self, _file: &File) -> bool {
        false
    }

    fn preserve(&self, _file: &File) -> Result<Outgoing<Self::State>> {
        Ok(Outgoing {
            data: 0x1000,
            state: KBox::new(42, GFP_KERNEL)?,
        })
    }

    fn unpreserve(&self, _file: &File, outgoing: Outgoing<Self::State>) {
        if outgoing.data == 0x2000 && *outgoing.state == 43 {
            count(&self.unpreserved);
        }
    }

    fn freeze(&self, _file: &File, data: &mut u64, state: &mut u64) -> Result {
        count(&self.frozen);
        *data = 0x2000;
        *state += 1;
        Ok(())
    }

    fn retrieve(&self, data: u64) -> Result<ARef<File>, NotRetrieved> {
        match data {
            0x2000 => Ok(a_file()?),
            0x3000 => Err(NotRetrieved::Later(EAGAIN)),
            0x4000 => Err(NotRetrieved::Final(EAGAIN)),
            _ => Err(NotRetrieved::Final(EBADMSG)),
        }
    }

    fn finish(&self, incoming: Incoming<'_>) {
        let expected = match incoming {
            Incoming::Waiting(data) => data == 0x2000,
            Incoming::Retrieved(file) => !file.as_ptr().is_null(),
            Incoming::Failed(error) => error == EBADMSG,
        };
        if expected {
            count(&self.finished);
        }
    }
}

/// An FLB whose state is a number.
struct Number;

impl flb::Flb for Number {
    const COMPATIBLE: &'static CStr = c"kunit-number-v1";
    type Outgoing = KBox<u64>;
    type Incoming = KBox<u64>;

    fn preserve(&self) -> Result<flb::Outgoing<Self::Outgoing>> {
        Ok(flb::Outgoing {
            data: 7,
            object: KBox::new(7, GFP_KERNEL)?,
        })
    }

    fn unpreserve(&self, _outgoing: flb::Outgoing<Self::Outgoing>) {}

    fn retrieve(&self, data: u64) -> Result<Self::Incoming> {
        Ok(KBox::new(data, GFP_KERNEL)?)
    }

    fn finish(&self, _object: Self::Incoming) {}
}

#[kunit_tests(liveupdate_handler)]
mod suite {
    use super::*;

    /// Calls an operation of a handler, as the orchestrator does.
    macro_rules! call {
        ($op:ident, $args:expr) => {
            // SAFETY: The arguments are those that the operation's contract asks for.
            unsafe { (VTable::<Probe>::OPS.$op.ok_or(EINVAL)?)(&mut $args) }
        };
    }

    fn args(handler: &'static Handler<Probe>) -> bindings::liveupdate_file_op_args {
        bindings::liveupdate_file_op_args {
            handler: handler.raw.get(),
            retrieve_status: 0,
            file: core::ptr::null_mut(),
            serialized_data: 0,
            private_data: core::ptr::null_mut(),
        }
    }

    #[test]
    fn optional_operations_are_there_only_if_implemented() {
        let ops = VTable::<Probe>::OPS;

        assert!(ops.freeze.is_some());
        assert!(ops.unfreeze.is_none());
        assert!(ops.can_finish.is_none());
        assert!(ops.get_id.is_none());
        assert!(ops.owner.is_null());
    }

    #[test]
    fn state_goes_through_preserve_freeze_and_unpreserve() -> Result {
        static PROBE: Handler<Probe> = Handler::new(Probe::new());
        let file = a_file()?;
        let mut args = args(&PROBE);
        args.file = file.as_ptr();

        assert_eq!(call!(preserve, args), 0);
        assert_eq!(args.serialized_data, 0x1000);
        assert!(!args.private_data.is_null());
        assert_eq!(call!(freeze, args), 0);
        assert_eq!(args.serialized_data, 0x2000);
        call!(unpreserve, args);
        assert_eq!(PROBE.inner.frozen.load(Relaxed), 1);
        assert_eq!(PROBE.inner.unpreserved.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn what_is_not_there_yet_is_not_said_to_be_lost() -> Result {
        static PROBE: Handler<Probe> = Handler::new(Probe::new());

        for (data, status) in [(0x3000, RETRIEVE_LATER), (0x4000, 0)] {
            let mut args = args(&PROBE);

            args.serialized_data = data;
            assert_eq!(call!(retrieve, args), EAGAIN.to_errno());
            assert_eq!(args.retrieve_status, status);
        }
        Ok(())
    }

    #[test]
    fn finish_is_told_what_became_of_the_file() -> Result {
        static PROBE: Handler<Probe> = Handler::new(Probe::new());
        let mut args = args(&PROBE);

        args.serialized_data = 1;
        args.retrieve_status = call!(retrieve, args);
        assert_eq!(args.retrieve_status, EBADMSG.to_errno());
        call!(finish, args);

        args.serialized_data = 0x2000;
        args.retrieve_status = 0;
        call!(finish, args);

        assert_eq!(call!(retrieve, args), 0);
        let file = NonNull::new(args.file).ok_or(EINVAL)?;
        // SAFETY: `retrieve` gives a reference to its caller.
        let file: ARef<File> = unsafe { ARef::from_raw(file.cast()) };
        args.retrieve_status = 1;
        call!(finish, args);
        drop(file);

        assert_eq!(PROBE.inner.finished.load(Relaxed), 3);
        Ok(())
    }

    #[test]
    fn handlers_and_flbs_are_registered_once() -> Result {
        static FIRST: Handler<Probe> = Handler::new(Probe::new());
        static SECOND: Handler<Probe> = Handler::new(Probe::new());
        static NUMBER: flb::Shared<Number> = flb::Shared::new(Number);

        assert!(FIRST.attach(&NUMBER) == Err(EINVAL));
        let first = match FIRST.register_for_module() {
            // Live update is off: nothing can be registered.
            Err(error) if error == EOPNOTSUPP => return Ok(()),
            result => result?,
        };
        assert!(FIRST.register() == Err(EEXIST));
        assert!(SECOND.register() == Err(EEXIST));
        assert!(SECOND.attach(&NUMBER) == Err(EINVAL));
        assert!(FIRST.attach(&NUMBER).is_ok());
        assert!(FIRST.attach(&NUMBER) == Err(EEXIST));
        // No file has been preserved, here or by the previous kernel.
        assert!(NUMBER.outgoing().err() == Some(ENOENT));
        assert!(NUMBER.incoming().is_err());

        drop(first);
        assert!(FIRST.attach(&NUMBER) == Err(EINVAL));
        assert!(SECOND.register_for_module().is_ok());
        Ok(())
    }

    #[test]
    fn compatible_strings_are_padded_with_zeroes() {
        let padded: [c_char; 8] = compatible(c"abc-v1");
        assert_eq!(padded, *b"abc-v1\0\0");
        let full: [c_char; 7] = compatible(c"abc-v1");
        assert_eq!(full, *b"abc-v1\0");
    }
}
