// SPDX-License-Identifier: GPL-2.0

//! What of KHO can be tested in a running kernel, without another one to hand over to.
//!
//! With `kho=off` there is nothing to test: each test then passes at once.

use kernel::prelude::*;

use super::*;

#[kunit_tests(liveupdate_kho)]
mod suite {
    use super::*;

    use zerocopy::FromBytes;

    use crate::abi::addr::PhysAddr;
    use crate::abi::kho::VmallocChunk;
    use crate::abi::PAGE_SIZE;
    use crate::kernel::page::OwnedFolio;
    use crate::kernel::table::Place;
    use crate::kernel::table::Table;
    use crate::kho::restore::restore_folio;

    #[test]
    fn preserved_memory_is_zeroed_and_large_enough() -> Result {
        if !is_enabled() {
            return Ok(());
        }
        for size in [1, 73, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE] {
            let memory = Preserved::new(size)?;

            assert!(memory.bytes().len() >= size);
            assert!(memory.bytes().iter().all(|byte| *byte == 0));
            assert!(outgoing::is_preserved(memory.phys()));
        }
        Ok(())
    }

    #[test]
    fn sizes_that_cannot_be_had_are_refused() {
        assert!(matches!(Preserved::new(0), Err(error) if error == EINVAL));
        assert!(matches!(Preserved::new(usize::MAX), Err(error) if error == E2BIG));
    }

    #[test]
    fn dropped_memory_is_preserved_no_longer() -> Result {
        if !is_enabled() {
            return Ok(());
        }
        let memory = Preserved::new(PAGE_SIZE)?;
        let phys = memory.phys();
        drop(memory);
        assert!(!outgoing::is_preserved(phys));
        Ok(())
    }

    #[test]
    fn leaked_memory_can_be_taken_back_once() -> Result {
        if !is_enabled() {
            return Ok(());
        }
        let phys = Preserved::new(2 * PAGE_SIZE)?.into_phys();
        assert!(outgoing::is_preserved(phys));

        let memory = Preserved::from_phys(phys)?;
        assert!(Preserved::from_phys(phys).is_err());
        drop(memory);
        assert!(Preserved::from_phys(phys).is_err());
        assert!(!outgoing::is_preserved(phys));
        Ok(())
    }

    #[test]
    fn folios_of_every_order_come_and_go() -> Result {
        if !is_enabled() {
            return Ok(());
        }
        for order in 0..=crate::kernel::page::max_order().min(9) {
            let folio = OwnedFolio::new_zeroed(order)?;
            assert_eq!(folio.order(), order);

            outgoing::preserve_folio(&folio)?;
            // Twice is the same as once.
            outgoing::preserve_folio(&folio)?;
            assert!(outgoing::is_preserved(folio.phys()));
            outgoing::unpreserve_folio(&folio);
            assert!(!outgoing::is_preserved(folio.phys()));
        }
        Ok(())
    }

    #[test]
    fn memory_that_nobody_handed_over_cannot_be_restored() -> Result {
        let folio = OwnedFolio::new_zeroed(0)?;

        assert!(restore_folio(folio.phys()).is_none());
        assert!(restore_folio(PhysAddr::new(folio.phys().get() + 8)).is_none());
        assert!(restore_folio(PhysAddr::new(u64::MAX)).is_none());
        assert!(Handed::claim(folio.phys()).is_err());
        assert!(Handed::claim(PhysAddr::new(1)).is_err());
        Ok(())
    }

    #[test]
    fn subtrees_have_one_name_each() -> Result {
        if !is_enabled() {
            return Ok(());
        }
        let name = c"liveupdate-kunit";
        let blob = Preserved::new(PAGE_SIZE)?;

        add_subtree(name, blob.phys(), 8)?;
        assert_eq!(add_subtree(name, blob.phys(), 8), Err(EEXIST));
        subtree::remove_subtree(blob.phys());
        add_subtree(name, blob.phys(), 8)?;
        subtree::remove_subtree(blob.phys());
        Ok(())
    }

    #[test]
    fn a_full_device_tree_refuses_and_stays_whole() -> Result {
        if !is_enabled() {
            return Ok(());
        }
        // One blob for each name, or removing could not tell them apart.
        let mut blobs = KVec::new();
        let refused = loop {
            let name =
                kernel::str::CString::try_from_fmt(fmt!("liveupdate-kunit-{}", blobs.len()))?;
            let blob = Preserved::new(PAGE_SIZE)?;

            if let Err(error) = add_subtree(&name, blob.phys(), 8) {
                break error;
            }
            blobs.push(blob, GFP_KERNEL)?;
            assert!(blobs.len() < PAGE_SIZE);
        };
        assert_eq!(refused, ENOMEM);
        assert!(!blobs.is_empty());
        for blob in &blobs {
            subtree::remove_subtree(blob.phys());
        }
        Ok(())
    }

    #[test]
    fn a_vmalloc_area_is_listed_page_by_page() -> Result {
        if !is_enabled() {
            return Ok(());
        }
        let pages = 600;
        let memory: Table<u8> = Table::from_elem(0, pages * PAGE_SIZE, GFP_KERNEL)?;
        let Some(Place::Area(area)) = Place::of(&memory) else {
            return Err(EINVAL);
        };
        let descriptor = vmalloc::preserve(&area)?;

        assert_eq!(descriptor.total_pages as usize, pages);
        let mut listed = 0;
        let mut next = descriptor.first;
        while next != 0 {
            let word = crate::kernel::page::peek(PhysAddr::new(next)).ok_or(EINVAL)?;
            let chunk = VmallocChunk::ref_from_bytes(word).map_err(|_| EINVAL)?;

            for block in chunk.phys.iter().take_while(|block| **block != 0) {
                assert!(outgoing::is_preserved(PhysAddr::new(*block)));
                listed += 1usize << descriptor.order;
            }
            next = chunk.next;
        }
        assert_eq!(listed, pages);
        vmalloc::unpreserve(&descriptor);
        for pfn in area.pages() {
            assert!(!outgoing::is_preserved(pfn.phys().ok_or(EINVAL)?));
        }
        Ok(())
    }
}
