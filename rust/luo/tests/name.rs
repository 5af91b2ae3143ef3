// SPDX-License-Identifier: GPL-2.0

//! Names are read a word at a time, whatever is in them and behind them.

use kernel::prelude::*;

use super::*;

/// Bytes that a search by words could take for a NUL or for its neighbour.
const BYTES: [u8; 5] = [0x01, 0x7f, 0x80, 0x81, 0xff];

#[kunit_tests(liveupdate_luo_name)]
mod suite {
    use super::*;

    #[test]
    fn a_name_ends_at_its_first_nul() -> Result {
        for byte in BYTES {
            for behind in BYTES {
                for len in 1..HANDLER_COMPAT_LEN {
                    let mut raw = [behind; HANDLER_COMPAT_LEN];
                    let mut padded = [0; HANDLER_COMPAT_LEN];

                    raw[..len].fill(byte);
                    raw[len] = 0;
                    padded[..len].fill(byte);
                    let name = HandlerName::new(&raw).ok_or(EINVAL)?;
                    assert!(*name.padded() == padded);
                    assert!(*name.bytes() == padded[..len]);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn without_a_nul_or_anything_before_it_there_is_no_name() {
        for byte in BYTES {
            let mut raw = [byte; SESSION_NAME_LEN];

            assert!(SessionName::new(&raw).is_none());
            raw[0] = 0;
            assert!(SessionName::new(&raw).is_none());
        }
        assert!(SessionName::new(&[0; SESSION_NAME_LEN]).is_none());
    }

    #[test]
    fn names_are_in_the_order_of_their_bytes() -> Result {
        let name = |bytes: &[u8]| {
            let mut raw = [0; SESSION_NAME_LEN];

            raw[..bytes.len()].copy_from_slice(bytes);
            SessionName::new(&raw).ok_or(EINVAL)
        };
        let sorted: [&[u8]; 7] = [
            b"a",
            b"a\x01",
            b"aaaaaaaa",
            b"aaaaaaaaa",
            b"ab",
            b"b",
            b"\xff\x01",
        ];

        for (index, one) in sorted.iter().enumerate() {
            for (other_index, other) in sorted.iter().enumerate() {
                let order = name(one)?.cmp(&name(other)?);

                assert!(order == index.cmp(&other_index));
                assert_eq!(order.is_eq(), name(one)? == name(other)?);
            }
        }
        Ok(())
    }
}
