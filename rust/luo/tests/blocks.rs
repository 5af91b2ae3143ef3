// SPDX-License-Identifier: GPL-2.0

//! Chains are written here as the next kernel will read them. With `kho=off` there is no memory
//! to preserve, and nothing to test.

use kernel::prelude::*;

use super::*;

use crate::abi::luo::FileSer;
use crate::kho;

/// Entries that fit into a block of files.
const PER_BLOCK: usize = per_block::<FileSer>();

fn entry(number: usize) -> FileSer {
    let mut compatible = [0; 48];

    compatible[..4].copy_from_slice(b"test");
    FileSer {
        compatible,
        data: !(number as u64),
        token: number as u64,
    }
}

fn filled(count: usize) -> Result<BlockSet<FileSer>> {
    let mut set = BlockSet::new();

    set.grow(count)?;
    write(&mut set, count).map_err(|(_, error)| error)?;
    Ok(set)
}

fn write(set: &mut BlockSet<FileSer>, count: usize) -> Result<(), (usize, Error)> {
    set.write(0..count, |number, slot| {
        *slot = entry(number);
        Ok(())
    })
}

/// Walks the chain by its addresses, as the next kernel does; the tokens that are in it.
fn read_back(set: &BlockSet<FileSer>) -> Result<KVec<u64>> {
    let block_at = |phys| set.blocks.iter().find(|block| block.phys() == phys);
    let header = |phys: PhysAddr| {
        let (header, _) = BlockHeader::read_from_prefix(block_at(phys)?.bytes()).ok()?;
        Some(header)
    };
    let chain = Chain::check(&header, set.head(), Layout::of::<FileSer>()).map_err(|_| EIO)?;
    let mut tokens = KVec::new();

    for block in chain.blocks() {
        let bytes = block_at(block.address).ok_or(EIO)?.bytes();

        for slot in 0..block.count as usize {
            let start = size_of::<BlockHeader>() + slot * size_of::<FileSer>();
            let (file, _) = FileSer::read_from_prefix(&bytes[start..]).map_err(|_| EIO)?;
            let (token, data) = (file.token, file.data);

            assert_eq!(data, !token);
            tokens.push(token, GFP_KERNEL)?;
        }
    }
    Ok(tokens)
}

#[kunit_tests(liveupdate_luo_blocks)]
mod suite {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        for count in [0, 1, PER_BLOCK - 1, PER_BLOCK, PER_BLOCK + 1, 3 * PER_BLOCK] {
            let set = filled(count)?;

            assert_eq!(set.blocks.len(), count.div_ceil(PER_BLOCK));
            assert!(read_back(&set)?.iter().copied().eq(0..count as u64));
        }
        Ok(())
    }

    #[test]
    fn an_empty_chain_has_no_address() {
        assert_eq!(BlockSet::<FileSer>::new().head(), 0);
    }

    #[test]
    fn nothing_can_be_written_where_no_room_was_made() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        let mut set = filled(PER_BLOCK)?;

        assert_eq!(write(&mut set, PER_BLOCK + 1), Err((PER_BLOCK, ENOSPC)));
        set.clear();
        assert!(write(&mut set, PER_BLOCK).is_ok());
        assert_eq!(read_back(&set)?.len(), PER_BLOCK);
        Ok(())
    }

    #[test]
    fn shrinking_cuts_the_chain_and_frees_its_end() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        let mut set = filled(2 * PER_BLOCK + 1)?;

        set.shrink(PER_BLOCK + 1);
        assert_eq!(set.blocks.len(), 2);
        assert_eq!(read_back(&set)?.len(), 2 * PER_BLOCK);
        set.shrink(PER_BLOCK);
        assert_eq!(read_back(&set)?.len(), PER_BLOCK);
        set.shrink(0);
        assert_eq!(set.head(), 0);
        Ok(())
    }

    #[test]
    fn clearing_keeps_the_room_and_the_links() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        let count = PER_BLOCK + 2;
        let mut set = filled(count)?;

        set.clear();
        assert_eq!(set.blocks.len(), 2);
        // A block without entries is none that the next kernel takes.
        assert!(read_back(&set).is_err());
        assert!(write(&mut set, count).is_ok());
        assert_eq!(read_back(&set)?.len(), count);
        Ok(())
    }

    #[test]
    fn an_entry_that_cannot_be_made_is_the_last_one() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        let bad = PER_BLOCK + 1;
        let mut set = filled(2 * PER_BLOCK)?;
        let mut asked = 0;

        let result = set.write(0..2 * PER_BLOCK, |number, slot| {
            asked += 1;
            if number == bad {
                return Err(EAGAIN);
            }
            *slot = entry(number);
            Ok(())
        });
        assert_eq!(result, Err((bad, EAGAIN)));
        assert_eq!(asked, bad + 1);
        Ok(())
    }

    #[test]
    fn too_many_blocks_are_refused_without_a_trace() -> Result {
        if !kho::is_enabled() {
            return Ok(());
        }
        let mut set = filled(1)?;
        let most = MAX_BLOCKS as usize * PER_BLOCK;

        // Either the limit or, on a small machine, memory.
        assert!(set.grow(most + 1).is_err());
        assert_eq!(set.blocks.len(), 1);
        assert_eq!(read_back(&set)?.len(), 1);
        Ok(())
    }

    #[test]
    fn a_claim_on_what_was_not_handed_over_fails() {
        // An odd address, and memory that no kernel preserved.
        assert!(HandedChain::<FileSer>::claim(1).is_err());
        assert!(HandedChain::<FileSer>::claim(!0xfff_u64).is_err());
    }
}
