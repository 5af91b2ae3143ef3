// SPDX-License-Identifier: GPL-2.0

use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn entry(domain: u32, bdf: u16, refcount: u16) -> PciDevSer {
    PciDevSer {
        domain,
        bdf,
        refcount,
    }
}

fn table(entries: &[PciDevSer]) -> Table<Vec<Device>> {
    Table::new(entries.iter().filter_map(Device::new).collect())
}

fn at(domain: u32, bdf: u16) -> Address {
    Address { domain, bdf }
}

#[test]
fn an_address_reads_as_people_write_it() {
    let cases = [
        (at(0, 0), "0000:00:00.0"),
        (at(0x10000, 0xffff), "10000:ff:1f.7"),
        (at(2, 0x0308 | 3), "0002:03:01.3"),
    ];

    for (address, text) in cases {
        assert_eq!(address.to_string(), text);
    }
}

#[test]
fn an_entry_without_users_is_no_device() {
    let table = table(&[entry(0, 8, 0), entry(0, 16, 1)]);

    assert_eq!(table.state(at(0, 8)), None);
    assert_eq!(table.state(at(0, 16)), Some(State::Kept(1)));
}

#[test]
fn domains_are_told_apart_by_all_their_bits() {
    let table = table(&[entry(0x1_0000, 8, 2), entry(0, 8, 1)]);

    assert_eq!(table.state(at(0, 8)), Some(State::Kept(1)));
    assert_eq!(table.state(at(0x1_0000, 8)), Some(State::Kept(2)));
    assert_eq!(table.state(at(0x2_0000, 8)), None);
}

#[test]
fn a_device_that_is_there_twice_is_unusable() {
    let mut table = table(&[entry(0, 8, 1), entry(0, 9, 1), entry(0, 8, 3)]);

    assert_eq!(table.state(at(0, 8)), Some(State::Unusable));
    assert_eq!(table.state(at(0, 9)), Some(State::Kept(1)));
    assert_eq!(table.finish(at(0, 8), true), None);
}

#[test]
fn a_bridge_is_finished_with_the_last_device_below_it() {
    let mut table = table(&[entry(0, 8, 2)]);

    assert_eq!(table.finish(at(0, 8), false), Some(State::Kept(1)));
    assert_eq!(table.finish(at(0, 8), false), Some(State::Finished));
    assert_eq!(table.finish(at(0, 8), false), None);
}

#[test]
fn an_endpoint_is_finished_at_once_whatever_its_count_says() {
    let mut table = table(&[entry(0, 8, u16::MAX)]);

    assert_eq!(table.finish(at(0, 8), true), Some(State::Finished));
}

#[test]
fn what_is_found_where_a_device_was_removed_is_another_one() {
    let mut table = table(&[entry(0, 8, 1), entry(0, 16, 1)]);

    table.finish(at(0, 16), true);
    for bdf in [8, 16, 24] {
        table.remove(at(0, bdf));
    }
    assert_eq!(table.state(at(0, 8)), Some(State::Gone));
    assert_eq!(table.state(at(0, 16)), Some(State::Finished));
    assert_eq!(table.state(at(0, 24)), None);
    assert_eq!(table.finish(at(0, 8), true), None);
}

#[test]
fn a_device_is_kept_until_it_is_finished_removed_or_rejected() {
    let ends: [fn(&mut Table<Vec<Device>>); 4] = [
        |table| {
            table.finish(at(0, 8), true);
        },
        |table| table.remove(at(0, 8)),
        |table| table.reject(at(0, 8)),
        // Those of another device, and of one endpoint of two, are no ends.
        |table| {
            table.remove(at(1, 8));
            table.finish(at(0, 8), false);
        },
    ];

    for (number, end) in ends.into_iter().enumerate() {
        let mut table = table(&[
            entry(0, 8, 2),
            entry(1, 8, 1),
            entry(0, 9, 1),
            entry(0, 9, 1),
        ]);

        assert!(table.keeps(at(0, 8)));
        end(&mut table);
        assert_eq!(table.keeps(at(0, 8)), number == 3, "end {number}");
        assert!(!table.keeps(at(0, 9)), "it is there twice");
        assert!(!table.keeps(at(0, 10)), "it is not there");
    }
}

#[test]
fn a_rejected_device_cannot_be_finished() {
    let mut table = table(&[entry(0, 8, 1)]);

    table.reject(at(0, 8));
    table.reject(at(0, 9));
    assert_eq!(table.finish(at(0, 8), true), None);
    assert_eq!(table.iter().count(), 1);
}

proptest! {
    #[test]
    fn any_table_is_what_a_map_would_be(
        entries in prop::collection::vec((0u32..3, 0u16..12, 0u16..4), 0..40),
        finishes in prop::collection::vec((0u32..3, 0u16..12, any::<bool>()), 0..80),
    ) {
        let mut counts = BTreeMap::<_, Vec<u16>>::new();
        for &(domain, bdf, refcount) in &entries {
            if refcount > 0 {
                counts.entry(at(domain, bdf)).or_default().push(refcount);
            }
        }
        let entries: Vec<_> = entries.iter().map(|&(d, b, r)| entry(d, b, r)).collect();
        let mut table = table(&entries);

        for (domain, bdf, is_endpoint) in finishes {
            let address = at(domain, bdf);
            let expected = match counts.get_mut(&address).map(Vec::as_mut_slice) {
                Some([0]) | None => None,
                Some([left]) => {
                    *left = if is_endpoint { 0 } else { *left - 1 };
                    Some(if *left > 0 { State::Kept(*left) } else { State::Finished })
                }
                Some(_) => None,
            };
            prop_assert_eq!(table.finish(address, is_endpoint), expected);
        }
    }
}
