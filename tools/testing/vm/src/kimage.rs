// SPDX-License-Identifier: GPL-2.0

//! The image that a kernel is about to jump into: what goes where, and where it is until then.
//!
//! Format: `struct kimage` and `struct kexec_segment` of include/linux/kexec.h in the kernel tree.

use std::collections::HashMap;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use crate::gdb::Debugger;

/// The page size of the guests.
pub const PAGE: u64 = 4096;

/// Bytes of a word.
const WORD: usize = 8;

/// At least as long as `struct kimage`.
const KIMAGE: usize = 1024;

/// Which of its words are what.
const HEAD: usize = 0;
const SEGMENT_COUNT: usize = 7;
const SEGMENTS: usize = 8;

/// Words of a segment: source, bytes of it, destination, bytes there.
const SEGMENT_WORDS: usize = 4;

/// The most segments that there can be.
const MAX_SEGMENTS: u64 = 16;

/// What an entry of the list of pages is.
const DESTINATION: u64 = 1 << 0;
const INDIRECTION: u64 = 1 << 1;
const DONE: u64 = 1 << 2;
const SOURCE: u64 = 1 << 3;

/// More entries than the memory of any guest has pages.
const MAX_ENTRIES: usize = 16 << 20;

/// A part of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The physical address that it is for.
    pub destination: u64,
    /// The length in bytes of what there is to put there.
    pub length: u64,
    /// The length in bytes of the place, all pages of it.
    pub size: u64,
}

/// An image, as far as it is of interest to those who look for something in it.
#[derive(Default)]
pub struct Kimage {
    address: u64,
    words: Vec<u64>,
}

impl Kimage {
    /// Reads it, with the guest at the start of `machine_kexec(struct kimage *)`.
    pub fn read(debugger: &mut Debugger) -> Result<Self> {
        let address = debugger.first_argument()?;
        let bytes = debugger.read_virtual(address, KIMAGE)?;
        Ok(Self {
            address,
            words: to_words(&bytes),
        })
    }

    /// The virtual address.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// What it is made of, word by word.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// All segments.
    pub fn segments(&self) -> Result<Vec<Segment>> {
        let count = self.words[SEGMENT_COUNT];
        ensure!(
            (1..=MAX_SEGMENTS).contains(&count),
            "struct kimage has {count} segments"
        );
        let (segments, _) = self.words[SEGMENTS..].as_chunks::<SEGMENT_WORDS>();
        let all = segments.iter().take(count as usize);
        Ok(all
            .map(|&[_, length, destination, size]| Segment {
                destination,
                length,
                size,
            })
            .collect())
    }

    /// The segment whose description is at a virtual address.
    pub fn segment_at(&self, address: u64) -> Result<Segment> {
        let first = self.address + (SEGMENTS * WORD) as u64;
        let addresses = (first..).step_by(SEGMENT_WORDS * WORD);
        let mut all = self.segments()?.into_iter().zip(addresses);
        let found = all.find(|(_, at)| *at == address);
        found
            .map(|(segment, _)| segment)
            .with_context(|| format!("{address:#x} is no segment of the image"))
    }

    /// Where the pages are that the jump is going to copy. A page that is not among them is in its place.
    pub fn sources(&self, debugger: &mut Debugger) -> Result<Sources> {
        let mut sources = HashMap::new();
        let (mut destination, mut list) = (0, vec![self.words[HEAD]]);
        let mut entries = 0;
        while let Some(next) = follow(&list, &mut destination, &mut sources) {
            entries += list.len();
            ensure!(
                entries < MAX_ENTRIES,
                "the image's list of pages has no end"
            );
            list = to_words(&debugger.read_physical(next, PAGE as usize)?);
        }
        Ok(Sources(sources))
    }
}

/// Takes in a page of entries. Gives the address of the next one, if there is one.
fn follow(list: &[u64], destination: &mut u64, sources: &mut HashMap<u64, u64>) -> Option<u64> {
    for entry in list {
        let page = entry & !(PAGE - 1);
        if entry & DESTINATION != 0 {
            *destination = page;
        } else if entry & SOURCE != 0 {
            sources.insert(*destination, page);
            *destination = destination.wrapping_add(PAGE);
        } else if entry & INDIRECTION != 0 {
            return Some(page);
        } else if entry & DONE != 0 {
            return None;
        }
    }
    None
}

/// Where the pages of an image are until the jump, by where they are going to be.
pub struct Sources(HashMap<u64, u64>);

impl Sources {
    /// Where a byte of the image is.
    pub fn of(&self, destination: u64) -> u64 {
        let offset = destination % PAGE;
        let page = destination - offset;
        self.0.get(&page).copied().unwrap_or(page) + offset
    }

    /// Reads a segment.
    pub fn read(&self, debugger: &mut Debugger, segment: &Segment) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < segment.length {
            let at = segment.destination + bytes.len() as u64;
            let length = (PAGE - at % PAGE).min(segment.length - bytes.len() as u64);
            bytes.extend(debugger.read_physical(self.of(at), length as usize)?);
        }
        Ok(bytes)
    }
}

fn to_words(bytes: &[u8]) -> Vec<u64> {
    let (words, _) = bytes.as_chunks::<WORD>();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_where_the_list_says_they_are() {
        let mut sources = HashMap::new();
        let mut destination = 0;
        let list = [
            0x10_0000 | DESTINATION,
            0x7000 | SOURCE,
            0x9000 | SOURCE,
            0x3000 | INDIRECTION,
            0x5000 | SOURCE,
        ];
        assert_eq!(follow(&list, &mut destination, &mut sources), Some(0x3000));
        let rest = [0xa000 | SOURCE, DONE, 0xb000 | SOURCE];
        assert_eq!(follow(&rest, &mut destination, &mut sources), None);
        let sources = Sources(sources);
        assert_eq!(sources.of(0x10_0008), 0x7008);
        assert_eq!(sources.of(0x10_1000), 0x9000);
        assert_eq!(sources.of(0x10_2fff), 0xafff);
        assert_eq!(sources.of(0x10_3000), 0x10_3000, "it needs no copy");
    }

    #[test]
    fn a_segment_is_found_by_the_address_of_its_description() {
        let mut words = vec![0; KIMAGE / WORD];
        words[SEGMENT_COUNT] = 2;
        words[SEGMENTS + SEGMENT_WORDS + 1] = 48;
        words[SEGMENTS + SEGMENT_WORDS + 2] = 0x8_0000;
        words[SEGMENTS + SEGMENT_WORDS + 3] = 0x1000;
        let image = Kimage {
            address: 0x1000,
            words,
        };
        let second = Segment {
            destination: 0x8_0000,
            length: 48,
            size: 0x1000,
        };
        let at = 0x1000 + ((SEGMENTS + SEGMENT_WORDS) * WORD) as u64;
        assert_eq!(image.segment_at(at).unwrap(), second);
        assert!(image.segment_at(at + 8).is_err());
        assert!(image.segment_at(at + 32).is_err(), "there are only two");
        assert!(image.segment_at(0).is_err());
    }
}
