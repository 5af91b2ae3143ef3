// SPDX-License-Identifier: GPL-2.0

use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::abi::kho::KhoVmalloc;
use crate::abi::memfd::FOLIO_DIRTY;
use crate::logic::mem::for_each_shift;

/// A file of 16 pages and as many folios.
fn ser() -> MemfdSer {
    MemfdSer {
        pos: 5,
        size: 16 << 12,
        seals: ALL_SEALS,
        flags: 0,
        nr_folios: 16,
        folios: KhoVmalloc {
            first: 0,
            total_pages: 0,
            flags: 0,
            order: 0,
        },
    }
}

#[test]
fn a_sound_file_is_read() {
    let file = File::<12>::check(&ser()).unwrap();

    assert_eq!((file.pos(), file.size(), file.pages()), (5, 16 << 12, 16));
    assert_eq!((file.seals(), file.nr_folios()), (ALL_SEALS, 16));
    let empty = MemfdSer {
        size: 0,
        nr_folios: 0,
        ..ser()
    };

    assert_eq!(File::<12>::check(&empty).unwrap().pages(), 0);
}

#[test]
fn damaged_files_are_named() {
    type Damage = fn(&mut MemfdSer);
    let too_many = |folios, pages| MemfdError::TooManyFolios { folios, pages };
    let huge = (u64::from(u32::MAX) << 12) + 1;
    let table: [(Damage, MemfdError); 10] = [
        (|ser| ser.flags = 1, MemfdError::UnknownFlags { flags: 1 }),
        (
            |ser| ser.seals |= 0x40,
            MemfdError::UnknownSeals { seals: 0x7f },
        ),
        (
            |ser| ser.seals = 1 << 31,
            MemfdError::UnknownSeals { seals: 1 << 31 },
        ),
        (
            |ser| ser.size = u64::MAX,
            MemfdError::BadSize { size: u64::MAX },
        ),
        (
            |ser| ser.size = (u64::from(u32::MAX) << 12) + 1,
            MemfdError::BadSize { size: huge },
        ),
        (
            |ser| ser.pos = 1 << 63,
            MemfdError::BadPosition { pos: 1 << 63 },
        ),
        (|ser| ser.nr_folios = 17, too_many(17, 16)),
        (|ser| ser.nr_folios = u64::MAX, too_many(u64::MAX, 16)),
        (|ser| ser.size = 15 << 12, too_many(16, 15)),
        (|ser| ser.size = 0, too_many(16, 0)),
    ];

    for (damage, expected) in table {
        let mut damaged = ser();

        damage(&mut damaged);
        assert_eq!(File::<12>::check(&damaged), Err(expected), "{expected}");
    }
    let largest = MemfdSer {
        size: u64::from(u32::MAX) << 12,
        pos: i64::MAX as u64,
        ..ser()
    };

    assert!(File::<12>::check(&largest).is_ok());
}

#[test]
fn the_array_has_room() {
    fn check<const SHIFT: u32>() {
        let per_page = 1u64 << (SHIFT - 4);

        for (folios, pages, good) in [
            (0, 0, true),
            (1, 0, false),
            (per_page, 1, true),
            (per_page + 1, 1, false),
            (per_page + 1, u64::MAX, true),
        ] {
            let ser = MemfdSer {
                size: 1 << 40,
                nr_folios: folios,
                ..ser()
            };
            let file = File::<SHIFT>::check(&ser).unwrap();

            assert_eq!(
                file.check_array(pages, 16).is_ok(),
                good,
                "{folios} in {pages}"
            );
        }
    }
    for_each_shift!(check);
}

/// Order of the block at a page: frames from 512 are of order 3, those below of order 0, and
/// from 1024 on nothing is preserved.
fn order_of(pfn: Pfn) -> Option<u32> {
    match pfn.get() {
        0..512 => Some(0),
        512..1024 => Some(3),
        4096 => Some(64),
        4097 => Some(63),
        _ => None,
    }
}

/// A file of the given entries: frame, flags and index of each.
fn file_of(entries: &[(u64, u16, u64)]) -> (File<12>, Vec<FolioSer>) {
    let entries: Vec<_> = entries
        .iter()
        .map(|(pfn, flags, index)| FolioSer::new(Pfn::new(*pfn), *flags, *index).unwrap())
        .collect();
    let ser = MemfdSer {
        nr_folios: entries.len() as u64,
        ..ser()
    };

    (File::check(&ser).unwrap(), entries)
}

fn read(entries: &[(u64, u16, u64)]) -> Vec<Result<Folio, MemfdError>> {
    let (file, entries) = file_of(entries);

    file.folios(&entries, order_of).collect()
}

#[test]
fn folios() {
    let misaligned = |at, pfn, index, order| MemfdError::FolioMisaligned {
        at,
        pfn: Pfn::new(pfn),
        index,
        order,
    };
    let absent = |at, pfn| MemfdError::NotPreserved {
        at,
        pfn: Pfn::new(pfn),
    };
    // Frame, flags and index of each; how many are good; the error behind them.
    type Case<'a> = (&'a [(u64, u16, u64)], usize, Option<MemfdError>);
    let table: [Case<'_>; 16] = [
        (&[], 0, None),
        (&[(1, 0, 0), (2, 3, 1), (9, 1, 15)], 3, None),
        (&[(512, 3, 0), (520, 3, 8)], 2, None),
        // Holes: in the array, and between indices.
        (&[(0, 0xfff, u64::MAX), (1, 0, 7)], 1, None),
        (
            &[(1, 4, 0)],
            0,
            Some(MemfdError::FolioFlags { at: 0, flags: 4 }),
        ),
        (
            &[(1, 0, 16)],
            0,
            Some(MemfdError::BehindEnd { at: 0, index: 16 }),
        ),
        (
            &[(1, 0, u64::MAX)],
            0,
            Some(MemfdError::BehindEnd {
                at: 0,
                index: u64::MAX,
            }),
        ),
        (
            &[(1, 0, 3), (2, 0, 3)],
            1,
            Some(MemfdError::NotAscending { at: 1, index: 3 }),
        ),
        (
            &[(1, 0, 3), (2, 0, 2)],
            1,
            Some(MemfdError::NotAscending { at: 1, index: 2 }),
        ),
        // Within a large folio.
        (
            &[(512, 0, 0), (2, 0, 7)],
            1,
            Some(MemfdError::NotAscending { at: 1, index: 7 }),
        ),
        (&[(512, 0, 0), (2, 0, 8)], 2, None),
        (&[(513, 0, 0)], 0, Some(misaligned(0, 513, 0, 3))),
        (&[(512, 0, 4)], 0, Some(misaligned(0, 512, 4, 3))),
        (
            &[(1, 0, 0), (2000, 0, 1), (3, 0, 2)],
            1,
            Some(absent(1, 2000)),
        ),
        (&[(4096, 0, 0)], 0, Some(misaligned(0, 4096, 0, 64))),
        (&[(4097, 0, 0)], 0, Some(misaligned(0, 4097, 0, 63))),
    ];

    for (entries, good, error) in table {
        let found = read(entries);

        assert_eq!(
            found.iter().filter(|folio| folio.is_ok()).count(),
            good,
            "{entries:?}"
        );
        assert_eq!(
            found.iter().find_map(|folio| folio.err()),
            error,
            "{entries:?}"
        );
        assert_eq!(found.len(), good + usize::from(error.is_some()));
    }
}

#[test]
fn folios_that_are_not_the_whole_file_are_found_out() {
    let check = |entries: &[(u64, u16, u64)], found| {
        let (file, entries) = file_of(entries);

        file.check_complete(&entries, found)
    };
    let (file, _) = file_of(&[]);
    let pages = file.pages();

    assert_eq!(check(&[(1, 3, 0)], pages), Ok(()));
    // A large one reaches beyond the end.
    assert_eq!(check(&[(512, 3, 0)], pages + 1), Ok(()));
    for found in [0, pages - 1] {
        assert_eq!(
            check(&[(1, 3, 0)], found),
            Err(MemfdError::Incomplete { found, pages })
        );
    }
    assert_eq!(check(&[(1, 3, 0), (0, 0, 1)], 1), Ok(()));
}

/// Position, frame, order and number of entries of the folios that are put together.
fn merged(entries: &[(u64, u16, u64)], max_order: u32) -> Vec<(u64, u64, u32, usize)> {
    let (file, entries) = file_of(entries);

    file.folios(&entries, order_of)
        .merged(max_order)
        .map(|folio| folio.unwrap())
        .map(|folio| (folio.at, folio.pfn.get(), folio.order, folio.entries()))
        .collect()
}

#[test]
fn neighbours_in_memory_and_file_become_one_folio() {
    let run = |pfn: u64, index: u64, count: u64| -> Vec<_> {
        (0..count).map(|i| (pfn + i, 3, index + i)).collect()
    };

    assert_eq!(merged(&run(16, 0, 16), 9), [(0, 16, 4, 16)]);
    // No larger than allowed.
    assert_eq!(merged(&run(16, 0, 4), 1), [(0, 16, 1, 2), (2, 18, 1, 2)]);
    assert_eq!(merged(&run(16, 0, 2), 0), [(0, 16, 0, 1), (1, 17, 0, 1)]);
    // As long as both are aligned, and there are enough.
    assert_eq!(
        merged(&run(17, 1, 6), 9),
        [(0, 17, 0, 1), (1, 18, 1, 2), (3, 20, 1, 2), (5, 22, 0, 1)]
    );
    assert_eq!(
        merged(&run(16, 1, 3), 9),
        [(0, 16, 0, 1), (1, 17, 0, 1), (2, 18, 0, 1)]
    );
    // Blocks that are large already.
    assert_eq!(merged(&[(512, 3, 0), (520, 3, 8)], 9), [(0, 512, 4, 2)]);
    // Other flags, another order, a hole.
    assert_eq!(
        merged(&[(16, 3, 0), (17, 2, 1)], 9),
        [(0, 16, 0, 1), (1, 17, 0, 1)]
    );
    assert_eq!(
        merged(&[(511, 3, 7), (512, 3, 8)], 9),
        [(0, 511, 0, 1), (1, 512, 3, 1)]
    );
    assert_eq!(
        merged(&[(16, 3, 0), (0, 0, 1), (17, 3, 1)], 9),
        [(0, 16, 0, 1), (2, 17, 0, 1)]
    );
}

#[test]
fn a_folio_is_restored_no_larger_than_a_file_can_hold() {
    let folio = |order, block_order| Folio {
        at: 0,
        pfn: Pfn::new(512),
        order,
        block_order,
        index: 1024,
        flags: 0,
    };
    // Order of the folio and of its blocks, the limit; order of what is restored, pages.
    let table = [
        (9, 9, 9, 9, 512),
        (9, 9, 0, 0, 512),
        (9, 9, 4, 4, 512),
        (3, 0, 9, 3, 8),
    ];

    for (order, block_order, limit, expected, pages) in table {
        let piece = folio(order, block_order).piece(limit);

        assert_eq!((piece.order, piece.block_order), (expected, block_order));
        assert_eq!(piece.pages(), pages);
    }
}

#[test]
fn a_piece_is_made_of_blocks() {
    let piece = Piece {
        pfn: Pfn::new(8),
        index: 16,
        block_order: 1,
        order: 3,
    };
    let blocks: Vec<_> = piece
        .blocks()
        .map(|block| (block.pfn.get(), block.index, block.block_order, block.order))
        .collect();

    assert_eq!(
        blocks,
        [
            (8, 16, 1, 1),
            (10, 18, 1, 1),
            (12, 20, 1, 1),
            (14, 22, 1, 1)
        ]
    );
    // One block of which several folios are made is one block.
    assert_eq!(Piece { order: 0, ..piece }.blocks().count(), 1);
}

#[test]
fn an_array_that_ends_early_is_an_error() {
    let file = File::<12>::check(&ser()).unwrap();
    let entry = FolioSer::new(Pfn::new(1), FOLIO_DIRTY, 0).unwrap();
    let found: Vec<_> = file.folios(&[entry], order_of).collect();

    assert!(found[0].is_ok());
    assert_eq!(
        found[1..],
        [Err(MemfdError::ShortArray {
            found: 1,
            expected: 16
        })]
    );
}

#[test]
fn entries_keep_to_their_bits() {
    let frame = (1 << 52) - 1;
    let entry = FolioSer::new(Pfn::new(frame), 0xfff, 7).unwrap();

    assert_eq!(
        (entry.pfn().get(), entry.flags(), entry.index()),
        (frame, 0xfff, 7)
    );
    assert!(FolioSer::new(Pfn::new(frame + 1), 0, 0).is_none());
    assert!(FolioSer::new(Pfn::new(0), 0x1000, 0).is_none());
}

proptest! {
    #[test]
    fn any_array_is_read(entries in prop::collection::vec(
        (prop_oneof![0..1100u64, 4090..4100u64, 0..1u64 << 52], 0..5u16, prop_oneof![
            0..20u64, any::<u64>()
        ]),
        0..16,
    )) {
        let found = read(&entries);
        let mut next = 0;
        let good = found.iter().filter(|folio| folio.is_ok()).count();
        let (file, folios) = file_of(&entries);
        let blocks: usize = file
            .folios(&folios, order_of)
            .merged(9)
            .flatten()
            .map(|folio| folio.entries())
            .sum();

        assert_eq!(blocks, good, "putting together loses none");

        for folio in found.iter().flatten() {
            assert!(folio.index >= next && folio.index < 16);
            assert!(folio.pfn.is_aligned(folio.order));
            next = folio.index + (1 << folio.order);
        }
        for (i, folio) in found.iter().enumerate() {
            if let Err(error) = folio {
                assert!(!error.to_string().is_empty());
                assert_eq!(i, found.len() - 1, "goes on after an error");
            }
        }
    }
}
