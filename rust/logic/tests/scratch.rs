// SPDX-License-Identifier: GPL-2.0

use std::format;
use std::string::ToString;

use proptest::prelude::*;

use super::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn sizes(lowmem: u64, global: u64, per_node: u64) -> Result<ScratchSpec, ScratchError> {
    Ok(ScratchSpec::Sizes {
        lowmem,
        global,
        per_node,
    })
}

fn scale(percent: u32) -> Result<ScratchSpec, ScratchError> {
    Ok(ScratchSpec::Scale { percent })
}

#[test]
fn parameters() {
    use ScratchError::NoComma;
    use ScratchError::NoNumber;
    use ScratchError::TooLarge;
    use ScratchError::Trailing;
    use ScratchError::Zero;

    let table = [
        ("", Err(NoNumber)),
        ("%", Err(NoNumber)),
        ("+%", Err(NoNumber)),
        ("1%", scale(1)),
        ("+200%", scale(200)),
        ("007%", scale(7)),
        ("4294967295%", scale(u32::MAX)),
        ("4294967296%", Err(TooLarge)),
        ("99999999999999999999999%", Err(TooLarge)),
        ("0%", Err(Zero)),
        ("-1%", Err(NoNumber)),
        ("0x10%", Err(Trailing)),
        ("10%%", Err(Trailing)),
        ("1 %", Err(Trailing)),
        ("1M,2M,3%", Err(Trailing)),
        ("16M,512M,256M", sizes(16 * MIB, 512 * MIB, 256 * MIB)),
        ("1k,2m,3g", sizes(KIB, 2 * MIB, 3 * GIB)),
        ("1,2,3", sizes(1, 2, 3)),
        ("0,0,1", sizes(0, 0, 1)),
        ("0,0,0", Err(Zero)),
        ("0x10K,010,10", sizes(16 * KIB, 8, 10)),
        ("0X1f,1,1", sizes(31, 1, 1)),
        // A digit of base 16, not a suffix.
        ("0x1E,1,1", sizes(30, 1, 1)),
        ("1T,1P,1E", sizes(1 << 40, 1 << 50, 1 << 60)),
        ("15E,0,0", sizes(15 << 60, 0, 0)),
        ("16E,0,0", Err(TooLarge)),
        ("18446744073709551615,0,0", sizes(u64::MAX, 0, 0)),
        ("18446744073709551616,0,0", Err(TooLarge)),
        ("18446744073709551615,1,0", Err(TooLarge)),
        ("08,1,1", Err(NoComma)),
        ("0x,1,1", Err(NoComma)),
        ("0xg,1,1", Err(NoComma)),
        ("1KB,1,1", Err(NoComma)),
        ("1KK,1,1", Err(NoComma)),
        ("1", Err(NoComma)),
        ("1,", Err(NoNumber)),
        ("1,2", Err(NoComma)),
        ("1,2,", Err(NoNumber)),
        ("1,2,3,", Err(Trailing)),
        ("1,2,3,4", Err(Trailing)),
        ("1,2,3 ", Err(Trailing)),
        (" 1,2,3", Err(NoNumber)),
        (",1,2", Err(NoNumber)),
        ("K,1,2", Err(NoNumber)),
        ("-1,1,1", Err(NoNumber)),
    ];

    for (text, expected) in table {
        assert_eq!(ScratchSpec::parse(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn sizes_follow_from_use() {
    let align = 4 * MIB;
    let spec = ScratchSpec::default();

    assert_eq!(spec.lowmem(10 * MIB, align), Some(20 * MIB));
    assert_eq!(spec.lowmem(10 * MIB + 1, align), Some(24 * MIB));
    assert_eq!(spec.global(10 * MIB, 30 * MIB, align), Some(40 * MIB));
    // Less in all than in low memory makes no sense, and nothing of it.
    assert_eq!(spec.global(30 * MIB, 10 * MIB, align), Some(0));
    assert_eq!(spec.per_node(3 * MIB, align), Some(8 * MIB));
    assert_eq!(spec.lowmem(u64::MAX, align), None);
    assert_eq!(spec.lowmem(u64::MAX / 2, align), None);
    assert_eq!(spec.lowmem(1, 0), None);

    let spec = ScratchSpec::parse(b"1M,5M,9M").unwrap();

    assert_eq!(spec.lowmem(u64::MAX, align), Some(4 * MIB));
    assert_eq!(spec.global(u64::MAX, 0, align), Some(8 * MIB));
    assert_eq!(spec.per_node(u64::MAX, align), Some(12 * MIB));
}

proptest! {
    #[test]
    fn any_text_is_read(text in "[0-9xXkKmMgGtTpPeE,%+ -]{0,24}") {
        match ScratchSpec::parse(text.as_bytes()) {
            Ok(ScratchSpec::Scale { percent }) => {
                let number: u32 = text.trim_matches(['+', '%']).parse().unwrap();

                assert_eq!(number, percent);
            }
            Ok(ScratchSpec::Sizes { lowmem, global, per_node }) => {
                let plain = format!("{lowmem},{global},{per_node}");

                assert_eq!(ScratchSpec::parse(plain.as_bytes()), ScratchSpec::parse(text.as_bytes()));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
        let _ = ScratchSpec::parse(&bytes);
    }

    #[test]
    fn percentages_are_exact(bytes in any::<u64>(), percent in any::<u32>(), shift in 0..64u32) {
        let bytes = bytes >> shift;
        let exact = u128::from(bytes) * u128::from(percent) / 100;

        assert_eq!(scaled(bytes, percent), u64::try_from(exact).ok());
    }
}
