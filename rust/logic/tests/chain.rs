// SPDX-License-Identifier: GPL-2.0

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Blocks by page number: next and count.
type Image = BTreeMap<u64, (u64, u64)>;

fn mem(image: &Image) -> impl BlockMem + '_ {
    |block: PhysAddr| {
        assert!(block.is_aligned(12) && !block.is_null());
        let (next, count) = *image.get(&block.get())?;

        Some(BlockHeader { next, count })
    }
}

/// Entries of 80 bytes: 51 to a page.
const LAYOUT: Layout = Layout::with(12, 80);

fn check(image: &Image, head: u64) -> Result<(u64, u64), ChainError> {
    let mem = mem(image);

    Chain::check(&mem, head, LAYOUT).map(|chain| (chain.nr_blocks(), chain.entries()))
}

#[test]
fn layouts() {
    assert_eq!(LAYOUT.per_block(), 51);
    assert_eq!(Layout::of::<crate::abi::luo::FileSer>().per_block(), 63);
    assert_eq!(Layout::with(14, 64).per_block(), 255);
    assert_eq!(Layout::with(16, 64).per_block(), 1023);
    assert_eq!(Layout::with(12, 0).per_block(), 0);
    assert_eq!(Layout::with(12, 4081).per_block(), 0);
    assert_eq!(Layout::with(12, 4080).per_block(), 1);
    assert_eq!(Layout::with(64, 8).per_block(), 0);
}

#[test]
fn boundaries() {
    let at = PhysAddr::new;
    let image: Image = [
        (0x1000, (0, 1)),
        (0x2000, (0, 51)),
        (0x3000, (0, 0)),
        (0x4000, (0, 52)),
        (0x5000, (0x2000, 51)),
        (0x6000, (0x6000, 1)),
        (0x7000, (0x8000, 1)),
        (0x8000, (0x9000, 1)),
        (0x9000, (0x8000, 1)),
        (0xa000, (0x1008, 1)),
        (0xb000, (0xf000, 1)),
        (0xc000, (0x4000, u64::MAX)),
        (0xd000, (0x1000, 0)),
        (0xe000, (0x3000, 51)),
    ]
    .into();
    let bad_count = |block, count| ChainError::BadCount {
        block: at(block),
        count,
        max: 51,
    };
    let table = [
        (0, Ok((0, 0))),
        (0x1000, Ok((1, 1))),
        (0x2000, Ok((1, 51))),
        (0x3000, Ok((1, 0))),
        (0x4000, Err(bad_count(0x4000, 52))),
        (0x5000, Ok((2, 102))),
        (0x6000, Err(ChainError::Cycle { block: at(0x6000) })),
        (
            0xa000,
            Err(ChainError::Misaligned {
                block: at(0x1008),
                from: at(0xa000),
            }),
        ),
        (
            0xb000,
            Err(ChainError::Unreadable {
                block: at(0xf000),
                from: at(0xb000),
            }),
        ),
        (0xc000, Err(bad_count(0xc000, u64::MAX))),
        // Only at the end a block may be empty.
        (0xd000, Err(bad_count(0xd000, 0))),
        (0xe000, Ok((2, 51))),
        (
            0x10,
            Err(ChainError::Misaligned {
                block: at(0x10),
                from: at(0),
            }),
        ),
        (
            u64::MAX << 12,
            Err(ChainError::Unreadable {
                block: at(u64::MAX << 12),
                from: at(0),
            }),
        ),
    ];

    for (head, expected) in table {
        assert_eq!(check(&image, head), expected, "{head:#x}");
    }
    assert!(matches!(
        check(&image, 0x7000),
        Err(ChainError::Cycle { .. })
    ));
}

/// A chain of so many blocks from page 1 on; the last one points to `last`.
fn long(blocks: u64, last: u64) -> Image {
    (1..=blocks)
        .map(|i| (i << 12, (if i == blocks { last } else { (i + 1) << 12 }, 1)))
        .collect()
}

#[test]
fn a_chain_may_have_ten_thousand_blocks() {
    assert_eq!(check(&long(10_000, 0), 0x1000), Ok((10_000, 10_000)));
    assert_eq!(check(&long(10_001, 0), 0x1000), Err(ChainError::TooLong));
}

#[test]
fn cycles_of_any_length_are_found() {
    for blocks in [1, 2, 3, 7, 8, 9, 100, 4000] {
        for target in [1, blocks / 2 + 1, blocks] {
            let error = check(&long(blocks, target << 12), 0x1000).unwrap_err();

            assert!(matches!(error, ChainError::Cycle { .. }), "{error}");
        }
    }
}

#[test]
fn a_total_that_disagrees_is_an_error() {
    let image = long(3, 0);
    let mem = mem(&image);
    let chain = |expected| Chain::check(&mem, 0x1000, LAYOUT)?.expect_total(expected);

    assert!(chain(3).is_ok());
    for expected in [0, 2, 4, u64::MAX] {
        let error = chain(expected).err().unwrap();

        assert_eq!(error, ChainError::WrongTotal { found: 3, expected });
        assert!(error.to_string().contains(&expected.to_string()));
    }
}

#[test]
fn blocks_come_in_order_and_may_be_freed_at_once() {
    let image = std::cell::RefCell::new(Image::from([
        (0x3000, (0x1000, 51)),
        (0x1000, (0x2000, 7)),
        (0x2000, (0, 2)),
    ]));
    let mem = |block: PhysAddr| {
        let (next, count) = *image.borrow().get(&block.get())?;

        Some(BlockHeader { next, count })
    };
    let chain = Chain::check(&mem, 0x3000, LAYOUT).unwrap();
    let found: Vec<_> = chain
        .blocks()
        .inspect(|block| assert!(image.borrow_mut().remove(&block.address.get()).is_some()))
        .map(|block| (block.address.get(), block.count))
        .collect();

    assert_eq!(found, [(0x3000, 51), (0x1000, 7), (0x2000, 2)]);
}

proptest! {
    #[test]
    fn any_image_is_survived(
        raw in prop::collection::vec((1..12u64, 0..14u64, prop_oneof![
            8 => 1..52u64, 1 => any::<u64>()
        ]), 0..14),
        head in 0..13u64,
        offset in prop_oneof![9 => Just(0u64), 1 => any::<u64>()],
    ) {
        let image: Image = raw
            .iter()
            .map(|(page, next, count)| (page << 12, (next << 12, *count)))
            .collect();
        let mem = mem(&image);

        match Chain::check(&mem, (head << 12) ^ offset, LAYOUT) {
            Ok(chain) => {
                let blocks: Vec<_> = chain.blocks().collect();
                let distinct: BTreeSet<_> = blocks.iter().map(|block| block.address).collect();

                assert_eq!(blocks.len() as u64, chain.nr_blocks());
                assert_eq!(distinct.len(), blocks.len());
                assert_eq!(blocks.iter().map(|block| block.count).sum::<u64>(), chain.entries());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
