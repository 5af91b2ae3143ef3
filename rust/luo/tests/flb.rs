// SPDX-License-Identifier: GPL-2.0

//! Counting the users of FLBs, with FLBs that only note what is asked of them.

use kernel::prelude::*;

use super::*;

use crate::kernel::c_flb::fake::Calls;
use crate::kernel::c_flb::fake::Fake;

fn outgoing() -> Result<Arc<OutgoingFlb>> {
    OutgoingFlb::new(FlbName::new(Fake::COMPATIBLE).ok_or(EINVAL)?)
}

fn incoming_with(users: u64) -> Result<Arc<IncomingFlb>> {
    IncomingFlb::new(
        FlbName::new(Fake::COMPATIBLE).ok_or(EINVAL)?,
        Fake::DATA,
        users,
    )
}

#[kunit_tests(liveupdate_luo_flb)]
mod suite {
    use super::*;

    #[test]
    fn saved_with_the_first_user_and_discarded_with_the_last() -> Result {
        static FAKE: Fake = Fake::new();
        let flb = outgoing()?;

        assert!(flb.entry().is_none());
        assert_eq!(flb.get().err(), Some(ENOENT));
        flb.preserve(|| FAKE.get().ok())?;
        flb.preserve(|| FAKE.get().ok())?;
        assert!(!flb.get()?.is_none());
        assert_eq!(FAKE.calls().preserve, 1);
        let entry = flb.entry().ok_or(EINVAL)?;
        let (data, count) = (entry.data, entry.count);
        assert_eq!((data, count), (Fake::DATA, 3));

        flb.put();
        flb.put();
        assert_eq!(FAKE.calls().unpreserve, 0);
        assert!(flb.is_live());
        flb.put();
        assert_eq!(FAKE.calls().unpreserve, 1);
        assert!(flb.entry().is_none());

        flb.preserve(|| FAKE.get().ok())?;
        assert_eq!(FAKE.calls().preserve, 2);
        flb.put();
        Ok(())
    }

    #[test]
    fn a_file_gives_back_what_was_registered_when_it_was_preserved() -> Result {
        static FAKE: Fake = Fake::new();
        let flb = outgoing()?;
        let users = || flb.entry().map(|it| it.count);

        flb.preserve(|| FAKE.get().ok())?;
        let links = Links::none()?.with(flb.clone())?;
        let holds = FlbHolds::new(links.clone())?;
        assert!(links.has(&flb));
        assert_eq!(users(), Some(2));

        assert!(links.remove(&flb));
        assert!(!links.remove(&flb));
        assert!(!links.has(&flb));
        drop(FlbHolds::new(links.clone())?);
        assert_eq!(users(), Some(2));

        // Registered again, by another file.
        let again = links.with(flb.clone())?;
        let others = FlbHolds::new(again)?;
        assert_eq!(users(), Some(3));
        drop(holds);
        assert_eq!(users(), Some(2));
        drop(others);
        flb.put();
        assert_eq!(FAKE.calls().unpreserve, 1);
        Ok(())
    }

    #[test]
    fn saving_that_failed_leaves_no_user() -> Result {
        static FAKE: Fake = Fake::new();
        let flb = outgoing()?;

        FAKE.fail_with(Some(ENODEV));
        assert_eq!(flb.preserve(|| FAKE.get().ok()), Err(ENODEV));
        assert!(!flb.is_live());
        FAKE.fail_with(None);
        flb.preserve(|| FAKE.get().ok())?;
        assert_eq!(flb.entry().map(|it| it.count), Some(1));
        flb.put();
        Ok(())
    }

    #[test]
    fn restored_once_and_finished_with_the_last_user() -> Result {
        static FAKE: Fake = Fake::new();
        let flb = incoming_with(2)?;

        // Two files of the previous kernel, and a driver of this one.
        let first = flb.get(Some(FAKE.get()?))?;
        assert!(!first.is_none());
        flb.put(|| FAKE.get().ok());
        flb.put(|| FAKE.get().ok());
        assert_eq!(FAKE.calls().finish, 0);
        flb.put(|| FAKE.get().ok());
        assert_eq!(
            FAKE.calls(),
            Calls {
                retrieve: 1,
                finish: 1,
                ..Calls::default()
            }
        );
        assert_eq!(flb.get(Some(FAKE.get()?)).err(), Some(ENODATA));
        Ok(())
    }

    #[test]
    fn what_nobody_asked_for_is_restored_to_be_finished() -> Result {
        static FAKE: Fake = Fake::new();
        let flb = incoming_with(1)?;

        flb.put(|| FAKE.get().ok());
        let calls = FAKE.calls();
        assert_eq!((calls.retrieve, calls.finish), (1, 1));
        Ok(())
    }

    #[test]
    fn restoring_that_failed_is_not_tried_again() -> Result {
        static FAKE: Fake = Fake::new();
        let flb = incoming_with(1)?;

        FAKE.fail_with(Some(EUCLEAN));
        assert_eq!(flb.get(Some(FAKE.get()?)).err(), Some(EUCLEAN));
        FAKE.fail_with(None);
        assert_eq!(flb.get(Some(FAKE.get()?)).err(), Some(EUCLEAN));
        // The last file goes: there is nothing to finish.
        flb.put(|| FAKE.get().ok());
        let calls = FAKE.calls();
        assert_eq!((calls.retrieve, calls.finish), (1, 0));
        Ok(())
    }

    #[test]
    fn a_module_that_is_being_unloaded_may_come_back() -> Result {
        static FAKE: Fake = Fake::new();
        let flb = incoming_with(1)?;

        assert_eq!(flb.get(None).err(), Some(ENODEV));
        assert!(flb.get(Some(FAKE.get()?)).is_ok());
        Ok(())
    }

    #[test]
    fn absurd_entries_are_refused() {
        let entry = |name: &[u8; 48], count| FlbSer {
            name: *name,
            data: 0,
            count,
        };

        assert!(parse_entry(&entry(Fake::COMPATIBLE, 1)).is_ok());
        assert!(parse_entry(&entry(Fake::COMPATIBLE, 0)).is_err());
        assert!(parse_entry(&entry(Fake::COMPATIBLE, 1 << 31)).is_err());
        assert!(parse_entry(&entry(&[0; 48], 1)).is_err());
        assert!(parse_entry(&entry(&[b'x'; 48], 1)).is_err());
    }
}
