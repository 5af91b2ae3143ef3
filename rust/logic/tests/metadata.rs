// SPDX-License-Identifier: GPL-2.0

use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::*;

/// A sound blob.
fn blob() -> Vec<u8> {
    build(b"7.3.4-test", 6).as_bytes().to_vec()
}

#[test]
fn what_is_built_is_read() {
    let metadata = parse(&blob()).unwrap();

    assert_eq!(metadata.release.to_string(), "7.3.4-test");
    assert_eq!(metadata.kexec_count, 7);
    assert_eq!(blob().len(), 73);
}

#[test]
fn size_and_version_are_checked_in_that_order() {
    let too_small = |size, need| MetadataError::TooSmall { size, need };
    let mut old = blob();

    old[0] = 2;
    for (blob, expected) in [
        (&blob()[..0], too_small(0, 4)),
        (&blob()[..3], too_small(3, 4)),
        (&blob()[..4], too_small(4, 73)),
        (&blob()[..72], too_small(72, 73)),
        (&old[..4], MetadataError::Version { found: 2 }),
        (&old[..], MetadataError::Version { found: 2 }),
    ] {
        assert_eq!(parse(blob), Err(expected), "{expected}");
    }
    let mut longer = blob();

    longer.extend([0xff; 100]);
    assert_eq!(parse(&longer), parse(&blob()));
}

#[test]
fn a_release_without_end_is_refused() {
    let mut blob = blob();

    blob[4..69].fill(b'x');
    let error = parse(&blob).unwrap_err();

    assert_eq!(
        error,
        MetadataError::Release(NameError::Unterminated { size: 65 })
    );
    blob[68] = 0;
    assert_eq!(parse(&blob).unwrap().release.as_bytes(), [b'x'; 64]);
}

#[test]
fn a_long_release_is_cut_and_the_count_saturates() {
    let metadata = parse(build(&[b'y'; 200], u32::MAX).as_bytes()).unwrap();

    assert_eq!(metadata.release.as_bytes(), [b'y'; 64]);
    assert_eq!(metadata.kexec_count, u32::MAX);
}

proptest! {
    #[test]
    fn any_blob_is_read(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        version in prop_oneof![Just(1u32), any::<u32>()],
    ) {
        let mut bytes = bytes;

        for (to, from) in bytes.iter_mut().zip(version.to_ne_bytes()) {
            *to = from;
        }
        match parse(&bytes) {
            Ok(metadata) => assert!(bytes[4..].starts_with(metadata.release.as_bytes())),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
