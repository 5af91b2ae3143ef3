// SPDX-License-Identifier: GPL-2.0

use std::format;
use std::string::ToString;

use proptest::prelude::*;

use super::*;

/// A field of eight bytes.
type Field = CStrField<8>;

#[test]
fn boundaries_of_a_field() {
    let table: [(&[u8; 8], Result<&[u8], NameError>); 7] = [
        (b"\0\0\0\0\0\0\0\0", Err(NameError::Empty)),
        (b"\0abcdefg", Err(NameError::Empty)),
        (b"a\0\0\0\0\0\0\0", Ok(b"a")),
        (b"abcdefg\0", Ok(b"abcdefg")),
        (b"abcdefgh", Err(NameError::Unterminated { size: 8 })),
        (b"abc\0junk", Ok(b"abc")),
        (b"\xff\x01\0\0\0\0\0\0", Ok(b"\xff\x01")),
    ];

    for (field, expected) in table {
        let found = Field::parse(field);

        assert_eq!(
            found.as_ref().map(|name| name.as_bytes()),
            expected.as_ref().copied()
        );
    }
}

#[test]
fn boundaries_of_a_string() {
    let too_long = |len| NameError::TooLong { len, size: 8 };

    assert_eq!(Field::from_bytes(b""), Err(NameError::Empty));
    assert_eq!(
        Field::from_bytes(b"abcdefg").map(|name| *name.as_array()),
        Ok(*b"abcdefg\0")
    );
    assert_eq!(Field::from_bytes(b"abcdefgh"), Err(too_long(8)));
    assert_eq!(Field::from_bytes(&[b'x'; 300]), Err(too_long(300)));
    assert_eq!(Field::from_bytes(b"a\0b"), Err(NameError::Nul));
    assert_eq!(
        CStrField::<0>::from_bytes(b"a"),
        Err(NameError::TooLong { len: 1, size: 0 })
    );
    assert_eq!(
        CStrField::<0>::parse(&[]),
        Err(NameError::Unterminated { size: 0 })
    );
}

#[test]
fn session_names_have_up_to_63_bytes() {
    let mut field = [b'n'; 64];

    assert!(CStrField::parse(&field).is_err());
    field[63] = 0;
    assert_eq!(CStrField::parse(&field).unwrap().as_bytes().len(), 63);
}

#[test]
fn what_is_behind_the_nul_does_not_count() {
    assert_eq!(Field::parse(b"abc\0junk"), Field::parse(b"abc\0\0\0\0\0"));
}

#[test]
fn strings_are_escaped_for_the_log() {
    let name = Field::parse(b"a\n\x1b\xff\"\0\0\0").unwrap();

    assert_eq!(name.to_string(), r#"a\n\x1b\xff\""#);
    assert_eq!(format!("{name:?}"), r#""a\n\x1b\xff\"""#);
    assert!(name != *"a" && Field::from_bytes(b"a").unwrap() == *"a");
}

proptest! {
    #[test]
    fn any_field_is_read(field in any::<[u8; 8]>()) {
        if let Ok(name) = Field::parse(&field) {
            let text = name.to_string();

            assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            assert!((1..8).contains(&name.as_bytes().len()));
            assert!(field.starts_with(name.as_bytes()));
            assert_eq!(Field::parse(name.as_array()), Ok(name));
            assert_eq!(Field::from_bytes(name.as_bytes()), Ok(name));
            assert_eq!(name.as_c_str().to_bytes(), name.as_bytes());
        } else {
            assert!(field[0] == 0 || !field.contains(&0));
        }
    }
}
