// SPDX-License-Identifier: GPL-2.0

//! What of the memfd handler can be tested without a second kernel.
//!
//! With `kho=off` nothing can be preserved: tests that need it then pass at once.

use kernel::prelude::*;

use super::*;

#[kunit_tests(liveupdate_memfd)]
mod suite {
    use super::*;

    use zerocopy::FromBytes;
    use zerocopy::FromZeros;
    use zerocopy::IntoBytes;

    use crate::abi::addr::Pfn;
    use crate::abi::addr::PhysAddr;
    use crate::abi::memfd::MemfdSer;
    use crate::abi::memfd::ALL_SEALS;
    use crate::abi::memfd::FOLIO_FLAGS;
    use crate::abi::PAGE_SIZE;
    use crate::kernel::memfd;
    use crate::kernel::page::OwnedFolio;
    use crate::kernel::shmem::Filler;
    use crate::kho;
    use crate::kho::Restorer;

    const SEAL_WRITE: u32 = 0x0008;

    type Folios = Memfd<FolioSer>;
    type Extents = Memfd<ExtentSer>;

    /// A memfd of `size` bytes that is all hole.
    fn sparse(size: u64) -> Result<ARef<File>> {
        let file = memfd::create(0)?;
        shmem(&file)?.set_size(size)?;
        Ok(file)
    }

    fn shmem(file: &File) -> Result<&ShmemFile> {
        ShmemFile::from_file(file).ok_or(EINVAL)
    }

    /// Opens what the previous kernel left, and lets go of it.
    fn open<F: Format>(descriptor: &[u8]) -> Result {
        incoming::Memfd::<F>::open(descriptor, &mut Restorer::new()).map(drop)
    }

    #[test]
    fn memfds_can_be_preserved_and_are_told_apart_by_inode() -> Result {
        let (one, other) = (memfd::create(0)?, memfd::create(0)?);

        assert_eq!(Folios::id(&one), shmem(&one)?.inode_id());
        assert!(Folios::id(&one) != Folios::id(&other));
        assert_eq!(Folios::id(&one), Extents::id(&one));
        // One format is written, whichever.
        let (folios, extents) = (
            Memfd::<FolioSer>(PhantomData).can_preserve(&one),
            Memfd::<ExtentSer>(PhantomData).can_preserve(&one),
        );
        assert!(folios != extents);
        Ok(())
    }

    #[test]
    fn preserving_describes_every_page_and_unpreserving_lets_go_of_it() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        const PAGES: u64 = 1100;
        let size = PAGES * PAGE_SIZE as u64 - 17;
        let file = sparse(size)?;
        let file = shmem(&file)?;
        file.set_position(4711)?;

        let state = outgoing::Memfd::<FolioSer>::preserve(file)?;
        let phys = PhysAddr::new(state.data());
        let (ser, _) = MemfdSer::read_from_prefix(state.descriptor()).map_err(|_| EINVAL)?;
        assert_eq!({ ser.size }, size);
        assert_eq!({ ser.pos }, 4711);
        assert_eq!({ ser.flags }, 0);
        assert_eq!({ ser.seals }, file.seals()?);
        assert!(file.is_frozen());
        assert!(kho::outgoing::is_preserved(phys));

        let mut next = 0;
        let mut preserved = true;
        for entry in state.entries() {
            preserved &= entry.flags() == FOLIO_FLAGS && entry.index() >= next;
            let phys = entry.pfn().phys().ok_or(EINVAL)?;
            preserved &= kho::outgoing::is_preserved(phys);
            next = entry.index() + 1;
        }
        assert!(preserved);
        assert_eq!(state.entries().len() as u64, { ser.nr_folios });
        let first = state.entries().first().and_then(|entry| entry.pfn().phys());

        // Somebody has the pages pinned, which keeps them from being sealed.
        assert!(file.add_seals(SEAL_WRITE) == Err(EBUSY));
        outgoing::Memfd::unpreserve(state, file);
        assert!(!file.is_frozen());
        assert!(!kho::outgoing::is_preserved(phys));
        assert!(!kho::outgoing::is_preserved(first.ok_or(EINVAL)?));
        assert!(file.add_seals(SEAL_WRITE).is_ok());
        assert_eq!(file.blocks(), PAGES * PAGE_SIZE as u64 / 512);
        Ok(())
    }

    #[test]
    fn extents_have_all_pages_of_the_file_and_no_others() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        const PAGES: u64 = 1100;
        let file = sparse(PAGES * PAGE_SIZE as u64 - 17)?;
        let file = shmem(&file)?;
        let state = outgoing::Memfd::<ExtentSer>::preserve(file)?;
        let (ser, _) = MemfdSer::read_from_prefix(state.descriptor()).map_err(|_| EINVAL)?;
        assert_eq!(state.entries().len() as u64, { ser.nr_folios });

        let (mut next, mut flags, mut last) = (0, true, 0);
        for extent in state.entries() {
            assert_eq!(u64::from(extent.index), next);
            // Or it would not be another extent.
            assert!(extent.pfn().get() != last);
            flags &= extent.flags() == FOLIO_FLAGS;
            next += u64::from(extent.count);
            last = extent.pfn().get() + u64::from(extent.count);
        }
        assert_eq!(next, PAGES);
        assert!(flags);

        let firsts: KVec<_> = state.entries().iter().fold(KVec::new(), |mut all, extent| {
            let _ = all.push(extent.pfn(), GFP_KERNEL);
            all
        });
        let preserved = |pfn: &Pfn| pfn.phys().is_some_and(kho::outgoing::is_preserved);
        assert!(firsts.iter().all(preserved));
        outgoing::Memfd::unpreserve(state, file);
        assert!(!firsts.iter().any(preserved));
        assert!(file.add_seals(SEAL_WRITE).is_ok());
        Ok(())
    }

    #[test]
    fn the_position_is_that_at_freeze() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        let file = sparse(1)?;
        let file = shmem(&file)?;
        let mut state = outgoing::Memfd::<FolioSer>::preserve(file)?;

        file.set_position(99)?;
        state.freeze(file)?;
        let (ser, _) = MemfdSer::read_from_prefix(state.descriptor()).map_err(|_| EINVAL)?;
        assert_eq!({ ser.pos }, 99);
        outgoing::Memfd::unpreserve(state, file);
        Ok(())
    }

    #[test]
    fn an_empty_file_has_no_folios() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        let file = memfd::create(0)?;
        let file = shmem(&file)?;
        let state = outgoing::Memfd::<FolioSer>::preserve(file)?;
        let (ser, _) = MemfdSer::read_from_prefix(state.descriptor()).map_err(|_| EINVAL)?;

        assert_eq!({ ser.nr_folios }, 0);
        assert_eq!({ ser.folios }.first, 0);
        assert!(open::<FolioSer>(state.descriptor()).is_ok());
        assert!(open::<ExtentSer>(state.descriptor()).is_ok());
        outgoing::Memfd::unpreserve(state, file);
        Ok(())
    }

    #[test]
    fn a_file_of_too_many_pages_is_refused_and_stays_as_it_was() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        let file = sparse((u64::from(u32::MAX) + 1) * PAGE_SIZE as u64)?;
        let file = shmem(&file)?;

        assert!(outgoing::Memfd::<FolioSer>::preserve(file).err() == Some(EFBIG));
        assert!(outgoing::Memfd::<ExtentSer>::preserve(file).err() == Some(EFBIG));
        assert!(!file.is_frozen());
        assert_eq!(file.blocks(), 0);
        Ok(())
    }

    #[test]
    fn descriptors_that_make_no_sense_are_refused() {
        let good = MemfdSer {
            size: 3 * PAGE_SIZE as u64,
            ..MemfdSer::new_zeroed()
        };
        let cases = [
            (MemfdSer { flags: 1, ..good }, EINVAL),
            (
                MemfdSer {
                    seals: ALL_SEALS + 1,
                    ..good
                },
                EOPNOTSUPP,
            ),
            (
                MemfdSer {
                    size: 1 << 63,
                    ..good
                },
                EFBIG,
            ),
            (
                MemfdSer {
                    size: 1 << 62,
                    ..good
                },
                EFBIG,
            ),
            (
                MemfdSer {
                    pos: u64::MAX,
                    ..good
                },
                EINVAL,
            ),
            (
                MemfdSer {
                    nr_folios: 4,
                    ..good
                },
                EINVAL,
            ),
            // A table at address zero, of no length.
            (
                MemfdSer {
                    nr_folios: 3,
                    ..good
                },
                EINVAL,
            ),
        ];

        assert!(open::<FolioSer>(good.as_bytes()).is_ok());
        assert!(open::<FolioSer>(&good.as_bytes()[1..]).is_err());
        for (bad, expected) in cases {
            assert_eq!(open::<FolioSer>(bad.as_bytes()), Err(expected));
            assert_eq!(open::<ExtentSer>(bad.as_bytes()), Err(expected));
        }
    }

    #[test]
    fn addresses_of_nothing_are_refused() {
        for address in [0, 1, PAGE_SIZE as u64, 1 << 62, u64::MAX] {
            assert!(incoming::retrieve::<FolioSer>(address).is_err());
            assert!(incoming::retrieve::<ExtentSer>(address).is_err());
        }
    }

    #[test]
    fn a_file_is_charged_for_what_is_in_it() -> Result {
        const BLOCKS: u64 = PAGE_SIZE as u64 / 512;
        let file = sparse(100 * PAGE_SIZE as u64)?;
        let file = shmem(&file)?;

        // Many more are expected than come.
        let mut filler = Filler::new(file, 1000);
        for index in [0, 7, 8] {
            filler.insert(OwnedFolio::new_zeroed(0)?, index, true)?;
        }
        let misaligned = filler.insert(OwnedFolio::new_zeroed(2)?, 10, true);
        assert!(misaligned == Err(EINVAL));
        let too_large = filler.insert(OwnedFolio::new_zeroed(10)?, 0, true);
        assert!(too_large == Err(EINVAL));
        filler.finish()?;
        assert_eq!(file.blocks(), 3 * BLOCKS);

        // What is behind the first that fails is not in the file, either.
        let mut filler = Filler::new(file, 3);
        for index in [5, 7, 9] {
            filler.insert(OwnedFolio::new_zeroed(0)?, index, true)?;
        }
        assert!(filler.finish() == Err(EEXIST));
        assert_eq!(file.blocks(), 4 * BLOCKS);

        // Nor is what nobody waited for.
        let mut filler = Filler::new(file, 3);
        filler.insert(OwnedFolio::new_zeroed(0)?, 20, true)?;
        drop(filler);
        assert_eq!(file.blocks(), 4 * BLOCKS);

        drop(Filler::new(file, 5));
        assert_eq!(file.blocks(), 4 * BLOCKS);
        Ok(())
    }

    #[test]
    fn entries_are_as_mainline_packs_them() -> Result {
        let entry =
            FolioSer::read_from_bytes(&[0x34, 0x12, 0, 0, 0, 0, 0x30, 0, 7, 0, 0, 0, 0, 0, 0, 0])
                .map_err(|_| EINVAL)?;

        assert_eq!(entry.pfn().get(), 0x1234);
        assert_eq!(entry.flags(), FOLIO_FLAGS);
        assert_eq!(entry.index(), 7);
        Ok(())
    }
}
