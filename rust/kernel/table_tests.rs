// SPDX-License-Identifier: GPL-2.0

//! Tables that grow out of their page.

use super::*;

/// Entries of eight bytes in a page.
const IN_A_PAGE: usize = PAGE_SIZE / 8;

fn table_of(count: usize) -> Result<Table<u64>> {
    let mut table = Table::new();

    for number in 0..count as u64 {
        table.reserve(1, GFP_KERNEL | __GFP_ZERO)?;
        table.push(!number, GFP_KERNEL)?;
    }
    Ok(table)
}

#[kunit_tests(liveupdate_kernel_table)]
mod suite {
    use super::*;

    #[test]
    fn a_table_keeps_its_entries_wherever_it_moves() -> Result {
        for count in [1, IN_A_PAGE - 1, IN_A_PAGE, IN_A_PAGE + 1, 3 * IN_A_PAGE] {
            let table = table_of(count)?;

            assert_eq!(table.len(), count);
            assert!(table.iter().copied().eq((0..count as u64).map(|it| !it)));
        }
        Ok(())
    }

    #[test]
    fn a_short_table_is_a_page_and_a_longer_one_an_area() -> Result {
        assert!(Place::of(&Table::<u64>::new()).is_none());
        let short = table_of(IN_A_PAGE)?;
        let Some(Place::Page(pfn)) = Place::of(&short) else {
            return Err(EINVAL);
        };
        let phys = pfn.phys().ok_or(EINVAL)?;

        assert!(direct_map::address_of(phys).cast_const() == short.as_ptr().cast());
        let long = table_of(IN_A_PAGE + 1)?;
        let Some(Place::Area(area)) = Place::of(&long) else {
            return Err(EINVAL);
        };
        assert!(area.len() >= 2);
        Ok(())
    }

    #[test]
    fn what_a_table_does_not_use_of_its_memory_is_zero() -> Result {
        for count in [1, IN_A_PAGE + 1] {
            let mut table = table_of(count)?;
            let spare = table.spare_capacity_mut();

            // SAFETY: The memory was allocated zeroed.
            assert!(spare.iter().all(|it| unsafe { it.assume_init_read() } == 0));
        }
        Ok(())
    }
}
