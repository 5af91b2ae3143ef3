// SPDX-License-Identifier: GPL-2.0

//! The index by which sessions, files and tokens are found.

use kernel::prelude::*;

use super::*;

use crate::luo::name::SessionName;

/// A name that differs from others in its last byte.
fn name(len: usize, last: u8) -> Result<SessionName> {
    let mut raw = [0; 64];

    raw[..len].fill(b'n');
    raw[len - 1] = last;
    SessionName::new(&raw).ok_or(EINVAL)
}

#[kunit_tests(liveupdate_luo_index)]
mod suite {
    use super::*;

    #[test]
    fn sessions_are_found_by_their_whole_name() -> Result {
        let mut index = Index::new();

        for len in [1, 2, 62, 63] {
            index.insert(name(len, b'a')?, (len, 'a'))?;
            index.insert(name(len, b'b')?, (len, 'b'))?;
        }
        for len in [1, 2, 62, 63] {
            assert_eq!(index.get(&name(len, b'a')?), Some(&(len, 'a')));
            assert_eq!(index.get(&name(len, b'b')?), Some(&(len, 'b')));
            assert_eq!(index.get(&name(len, b'c')?), None);
        }
        Ok(())
    }

    #[test]
    fn a_key_that_is_taken_stays_as_it_is() -> Result {
        let mut index = Index::new();

        index.insert(7u64, "first")?;
        assert_eq!(index.insert(7, "second"), Err(EEXIST));
        assert_eq!(index.get(&7), Some(&"first"));
        assert_eq!(index.remove(&7), Some("first"));
        assert_eq!(index.get(&7), None);
        index.insert(7, "third")
    }

    #[test]
    fn values_come_in_the_order_of_their_keys() -> Result {
        let mut index = Index::new();

        for key in 0..100u64 {
            // 37 and 100 have no divisor in common: each number comes once.
            index.insert(key * 37 % 100, key * 37 % 100)?;
        }
        assert!(index.values().copied().eq(0..100));
        for key in 0..50 {
            index.remove(&key);
        }
        assert!(index.values().copied().eq(50..100));
        Ok(())
    }
}
