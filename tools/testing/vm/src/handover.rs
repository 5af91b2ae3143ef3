// SPDX-License-Identifier: GPL-2.0

//! What a kernel has handed over, seen from outside at the moment of the jump.
//!
//! Formats: include/linux/kho/abi/kexec_handover.h, luo.h and block.h in the kernel tree.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use crate::gdb::Debugger;
use crate::kimage::Kimage;
use crate::kimage::PAGE;

/// The longest segment, in bytes, that may tell the next kernel of the handover.
const MAX_NOTE_SEGMENT: u64 = 64 << 10;

/// The length of a file's compatible string, behind which its data is.
const FILE_COMPATIBLE: usize = 48;

/// The length in bytes of an address and a length.
const NOTE: u64 = 16;

/// The same of a scratch region's address and size.
const SCRATCH_DESCRIPTION: u64 = 16;

/// Where the description of a memfd has that of its table.
const MEMFD_TABLE: u64 = 32;

/// The length in bytes of what a block begins with, of a session and of a file behind it.
const BLOCK: u64 = 16;
const SESSION: u64 = 80;
const FILE: u64 = 64;

/// The length in bytes of an entry of a memfd's table.
pub const FOLIO: u64 = 16;

/// Which bits of the first word of such an entry are a frame number.
pub const PFN: u64 = (1 << 52) - 1;

/// The first bytes of a flattened device tree.
const FDT_MAGIC: u32 = 0xd00d_feed;

/// The tokens of its structure block.
const FDT_BEGIN_NODE: u32 = 1;
const FDT_END_NODE: u32 = 2;
const FDT_PROP: u32 = 3;
const FDT_NOP: u32 = 4;

/// Where the value of a property is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// The physical address.
    pub address: u64,
    /// The length in bytes.
    pub length: usize,
}

/// A structure that the next kernel reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// What it is.
    pub name: String,
    /// The physical address.
    pub address: u64,
    /// The length in bytes of what is read of it.
    pub length: u64,
    /// Whether more than one file depends on it.
    pub shared: bool,
}

impl Structure {
    fn shared(name: impl Into<String>, address: u64, length: u64) -> Self {
        Self {
            name: name.into(),
            address,
            length,
            shared: true,
        }
    }

    fn of_first_file(name: &str, address: u64, length: u64) -> Self {
        Self {
            shared: false,
            ..Self::shared(name, address, length)
        }
    }

    /// The whole words of it.
    pub fn words(&self, debugger: &mut Debugger) -> Result<Vec<u64>> {
        let bytes = debugger.read_physical(self.address, self.length as usize)?;
        let (words, _) = bytes.as_chunks::<8>();
        Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }
}

/// A session with a memfd in it: where its parts are.
struct Session {
    entry: u64,
    files: u64,
    memfd: u64,
    chunk: u64,
    table: u64,
    /// Entries in the table.
    folios: u64,
}

impl Session {
    /// The first file of it.
    fn file(&self) -> u64 {
        self.files + BLOCK
    }
}

/// A field of what tells the next kernel of the handover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteField {
    /// The physical address of the device tree.
    Tree,
    /// The length of the device tree in bytes.
    TreeLength,
    /// The physical address of the descriptions of scratch.
    Scratch,
    /// The length of these in bytes.
    ScratchLength,
}

/// How the boot protocol writes numbers: x86 has them in its own order, a device tree in the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn bytes(self, number: u64) -> [u8; 8] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }
}

/// Where an address and, behind it, a length are.
struct Note {
    address: u64,
    order: Order,
}

/// What of the image leads to the handover, at the addresses where it is until the jump.
struct BootData {
    tree_note: Note,
    scratch_note: Note,
    scratch: u64,
    scratch_length: u64,
    /// Whether the image has a list of what to make checksums of.
    checked: bool,
}

/// The root of all that is handed over.
pub struct Handover {
    address: u64,
    tree: Vec<u8>,
    image: Kimage,
    /// The word of the image that holds the address.
    word: usize,
}

impl Handover {
    /// Finds it, with the guest at the start of `machine_kexec(struct kimage *)`.
    ///
    /// The image holds the physical address of the tree somewhere. Where does not matter: a page-aligned
    /// address with a device tree of KHO behind it is the one.
    pub fn find(debugger: &mut Debugger) -> Result<Self> {
        let image = Kimage::read(debugger)?;
        let mut candidates = image.words().iter().copied().enumerate();
        let found = candidates.find_map(|(word, address)| {
            if address == 0 || !address.is_multiple_of(PAGE) {
                return None;
            }
            // Most of them are no physical addresses.
            let tree = debugger.read_physical(address, PAGE as usize).ok()?;
            find_property(&tree, "", "preserved-memory-map").ok()?;
            Some((word, address, tree))
        });
        let (word, address, tree) = found.with_context(|| {
            let at = image.address();
            format!("struct kimage at {at:#x} does not lead to a device tree of KHO")
        })?;
        Ok(Self {
            address,
            tree,
            image,
            word,
        })
    }

    /// Where the value of a property of the root node, `""`, or of one of its children is.
    pub fn property(&self, node: &str, name: &str) -> Result<Property> {
        let value = find_property(&self.tree, node, name)
            .with_context(|| format!("looking for {node}/{name} in the handover tree"))?;
        Ok(Property {
            address: self.address + value.0 as u64,
            length: value.1,
        })
    }

    /// The number that a property holds: in the processor's byte order, unlike elsewhere.
    pub fn number(&self, node: &str, name: &str) -> Result<u64> {
        let (start, length) = find_property(&self.tree, node, name)?;
        ensure!(length == 8, "{node}/{name} has {length} bytes, not 8");
        Ok(u64::from_le_bytes(self.tree[start..start + 8].try_into()?))
    }

    /// The physical address of `struct luo_ser`.
    pub fn luo(&self) -> Result<u64> {
        self.number("LUO", "preserved-data")
    }

    /// The physical address of the first block of sessions.
    pub fn sessions(&self, debugger: &mut Debugger) -> Result<u64> {
        debugger.read_physical_u64(self.sessions_field()?)
    }

    /// Where that address is kept: behind the compatible string and the number of the update.
    pub fn sessions_field(&self) -> Result<u64> {
        Ok(self.luo()? + 16)
    }

    /// What an FLB's owner finds its state by: an address, or whatever it likes.
    pub fn flb(&self, debugger: &mut Debugger, name: &str) -> Result<u64> {
        let field = self.flb_field(debugger, name)?;
        debugger.read_physical_u64(field)
    }

    /// Where that is kept.
    pub fn flb_field(&self, debugger: &mut Debugger, name: &str) -> Result<u64> {
        const FLBS: u64 = 24;
        const HEADER: u64 = 16;
        const NAME: u64 = 48;
        const FLB: u64 = NAME + 16;
        let header = debugger.read_physical_u64(self.luo()? + FLBS)?;
        let count = debugger.read_physical_u64(header + 8)?;
        for index in 0..count {
            let flb = header + HEADER + index * FLB;
            let found = debugger.read_physical(flb, NAME as usize)?;
            if found.split(|byte| *byte == 0).next() == Some(name.as_bytes()) {
                return Ok(flb + NAME);
            }
        }
        anyhow::bail!("no FLB of {count} is called {name:?}")
    }

    /// Finds what of the image leads to the handover.
    fn boot_data(&self, debugger: &mut Debugger) -> Result<BootData> {
        // The image has the address of the segment's description before that of the tree.
        let scratch = *self.image.words()[..self.word].last().unwrap_or(&0);
        let scratch = self.image.segment_at(scratch)?;
        let sources = self.image.sources(debugger)?;
        let mut segments = Vec::new();
        for segment in self.image.segments()? {
            if segment.length <= MAX_NOTE_SEGMENT {
                segments.push((segment.destination, sources.read(debugger, &segment)?));
            }
        }
        let find = |pair| {
            let mut found = segments.iter().filter_map(|(destination, bytes)| {
                let (offset, order) = find_pair(bytes, pair)?;
                let address = sources.of(destination + offset as u64);
                Some(Note { address, order })
            });
            found.next()
        };
        let note = |pair| {
            find(pair).with_context(|| {
                format!("no segment of the image tells the next kernel of {pair:#x?}")
            })
        };
        Ok(BootData {
            tree_note: note([self.address, PAGE])?,
            scratch_note: note([scratch.destination, scratch.length])?,
            scratch: sources.of(scratch.destination),
            scratch_length: scratch.length,
            checked: find([scratch.destination, scratch.size]).is_some(),
        })
    }

    /// Whether the jump ends in an endless loop if the image is not what was loaded. Linux up to 7.2 makes
    /// checksums of it; 7.3 does not where there is KHO.
    pub fn image_is_checked(&self, debugger: &mut Debugger) -> Result<bool> {
        Ok(self.boot_data(debugger)?.checked)
    }

    /// Where the description of a scratch region is: the physical address of its first byte, then its size
    /// in bytes. It is part of the image, and not in its place yet.
    pub fn scratch(&self, debugger: &mut Debugger, index: u64) -> Result<u64> {
        let found = self.boot_data(debugger)?;
        let offset = index * SCRATCH_DESCRIPTION;
        ensure!(
            offset < found.scratch_length,
            "there is no scratch region {index}"
        );
        Ok(found.scratch + offset)
    }

    /// How many scratch regions there are.
    pub fn scratch_regions(&self, debugger: &mut Debugger) -> Result<u64> {
        Ok(self.boot_data(debugger)?.scratch_length / SCRATCH_DESCRIPTION)
    }

    /// Changes what tells the next kernel of the handover, as the architecture's boot protocol has it.
    pub fn write_note(&self, debugger: &mut Debugger, field: NoteField, value: u64) -> Result<()> {
        let found = self.boot_data(debugger)?;
        let (note, offset) = match field {
            NoteField::Tree => (found.tree_note, 0),
            NoteField::TreeLength => (found.tree_note, 8),
            NoteField::Scratch => (found.scratch_note, 0),
            NoteField::ScratchLength => (found.scratch_note, 8),
        };
        debugger.write_physical(note.address + offset, &note.order.bytes(value))
    }

    /// One of each kind, with a session and a memfd in it.
    pub fn structures(&self, debugger: &mut Debugger) -> Result<Vec<Structure>> {
        let mut all = vec![Structure::shared(
            "device tree",
            self.address,
            be32(&self.tree, 4)?.into(),
        )];
        all.extend(self.structures_of_luo(debugger)?);
        all.extend(self.structures_of_image(debugger)?);
        if let Ok(address) = self.number("kexec-metadata", "preserved-data") {
            let length = self.number("kexec-metadata", "blob-size")?;
            all.push(Structure::shared("metadata of the kexec", address, length));
        }
        let map = self.memory_map(debugger)?;
        for (level, slot) in (0..map.len()).rev().zip(map) {
            let name = format!("memory map, level {level}");
            all.push(Structure::shared(name, slot & !(PAGE - 1), PAGE));
        }
        Ok(all)
    }

    fn structures_of_luo(&self, debugger: &mut Debugger) -> Result<Vec<Structure>> {
        const FLBS: u64 = 24;
        const LUO: u64 = 32;
        const MEMFD: u64 = 48;
        const CHUNK: u64 = 24;
        let sessions = self.sessions(debugger)?;
        let first = self.session(debugger, 0)?;
        let flbs = debugger.read_physical_u64(self.luo()? + FLBS)?;
        let flb_count = debugger.read_physical_u64(flbs + 8)?;
        Ok(vec![
            Structure::shared("LUO's root", self.luo()?, LUO),
            Structure::shared("block of sessions", sessions, BLOCK),
            Structure::of_first_file("session", first.entry, SESSION),
            Structure::of_first_file("block of files", first.files, BLOCK),
            Structure::of_first_file("file", first.file(), FILE),
            Structure::of_first_file("memfd", first.memfd, MEMFD),
            Structure::of_first_file("chunk of a memfd's table", first.chunk, CHUNK),
            Structure::of_first_file("memfd's table", first.table, first.folios * FOLIO),
            Structure::shared("FLBs", flbs, BLOCK + flb_count * FILE),
        ])
    }

    /// What is part of the image; nothing where that cannot be damaged.
    fn structures_of_image(&self, debugger: &mut Debugger) -> Result<Vec<Structure>> {
        let boot = self.boot_data(debugger)?;
        if boot.checked {
            return Ok(Vec::new());
        }
        Ok(vec![
            Structure::shared("note of the device tree", boot.tree_note.address, NOTE),
            Structure::shared("note of scratch", boot.scratch_note.address, NOTE),
            Structure::shared("scratch regions", boot.scratch, boot.scratch_length),
        ])
    }

    /// The pages that the second session alone leads to: its files, what describes the first of them, which
    /// is a memfd, and its contents.
    pub fn pages_of_second_file(&self, debugger: &mut Debugger) -> Result<Vec<u64>> {
        let second = self.session(debugger, 1)?;
        let mut pages: Vec<u64> = [second.files, second.memfd, second.chunk, second.table]
            .map(|address| address & !(PAGE - 1))
            .into();
        for number in 0..second.folios {
            let word = debugger.read_physical_u64(second.table + number * FOLIO)?;
            pages.push((word & PFN) * PAGE);
        }
        Ok(pages)
    }

    /// The parts of a session of the first block.
    fn session(&self, debugger: &mut Debugger, index: u64) -> Result<Session> {
        const NAME: u64 = 64;
        const FOLIOS: u64 = 24;
        const CHUNK_NEXT: u64 = 8;
        let entry = self.sessions(debugger)? + BLOCK + index * SESSION;
        let files = debugger.read_physical_u64(entry + NAME)?;
        let memfd = debugger.read_physical_u64(files + BLOCK + FILE_COMPATIBLE as u64)?;
        let chunk = debugger.read_physical_u64(memfd + MEMFD_TABLE)?;
        Ok(Session {
            entry,
            files,
            memfd,
            chunk,
            table: debugger.read_physical_u64(chunk + CHUNK_NEXT)?,
            folios: debugger.read_physical_u64(memfd + FOLIOS)?,
        })
    }

    /// A path through the tree of preserved memory, from its root to a bitmap: where the first word of each
    /// node is that is not zero.
    pub fn memory_map(&self, debugger: &mut Debugger) -> Result<Vec<u64>> {
        const LEVELS: u64 = 6;
        let mut node = self.number("", "preserved-memory-map")?;
        (0..LEVELS)
            .map(|_| {
                let page = debugger.read_physical(node, PAGE as usize)?;
                let (words, _) = page.as_chunks::<8>();
                let mut entries = (0..).zip(words.iter().map(|word| u64::from_le_bytes(*word)));
                let (index, child) = entries
                    .find(|(_, entry)| *entry != 0)
                    .with_context(|| format!("the memory map has an empty node at {node:#x}"))?;
                let slot: u64 = node + 8 * index;
                node = child;
                Ok(slot)
            })
            .collect()
    }

    /// The physical address of the device tree.
    pub fn tree(&self) -> u64 {
        self.address
    }

    /// The physical address of some bytes in it.
    pub fn find_in_tree(&self, wanted: &[u8]) -> Result<u64> {
        let mut windows = self.tree.windows(wanted.len());
        let offset = windows.position(|bytes| bytes == wanted);
        let offset = offset.with_context(|| format!("the handover tree has no {wanted:x?}"))?;
        Ok(self.address + offset as u64)
    }

    /// The block of the first session's files.
    pub fn first_files(&self, debugger: &mut Debugger) -> Result<u64> {
        Ok(self.session(debugger, 0)?.files)
    }

    /// The entry of the first session's first file.
    fn first_file(&self, debugger: &mut Debugger) -> Result<u64> {
        Ok(self.session(debugger, 0)?.file())
    }

    /// The name of the format that this file is in.
    pub fn first_file_compatible(&self, debugger: &mut Debugger) -> Result<String> {
        let file = self.first_file(debugger)?;
        let name = debugger.read_physical(file, FILE_COMPATIBLE)?;
        let end = name.iter().position(|byte| *byte == 0);
        let end = end.context("the compatible string has no end")?;
        Ok(String::from_utf8(name[..end].to_vec())?)
    }

    /// Where this file keeps the address of its data.
    pub fn first_file_data_field(&self, debugger: &mut Debugger) -> Result<u64> {
        Ok(self.first_file(debugger)? + FILE_COMPATIBLE as u64)
    }

    /// What it is described by, if it is a memfd.
    pub fn first_memfd(&self, debugger: &mut Debugger) -> Result<u64> {
        Ok(self.session(debugger, 0)?.memfd)
    }

    /// The first chunk of the addresses of that table.
    pub fn first_memfd_chunk(&self, debugger: &mut Debugger) -> Result<u64> {
        Ok(self.session(debugger, 0)?.chunk)
    }

    /// The first page of the table of this file, which is a memfd.
    pub fn first_memfd_table(&self, debugger: &mut Debugger) -> Result<u64> {
        Ok(self.session(debugger, 0)?.table)
    }
}

/// The offset of two numbers in a row, and the order of their bytes.
fn find_pair(bytes: &[u8], pair: [u64; 2]) -> Option<(usize, Order)> {
    [Order::Little, Order::Big].into_iter().find_map(|order| {
        let wanted = pair.map(|number| order.bytes(number)).concat();
        let mut windows = bytes.windows(wanted.len());
        Some((windows.position(|window| window == wanted)?, order))
    })
}

/// The offset and length of a property's value.
fn find_property(tree: &[u8], node: &str, name: &str) -> Result<(usize, usize)> {
    ensure!(be32(tree, 0)? == FDT_MAGIC, "this is no device tree");
    let strings = be32(tree, 12)? as usize;
    let mut at = be32(tree, 8)? as usize;
    let mut path: Vec<&str> = Vec::new();
    loop {
        let token = be32(tree, at)?;
        at += 4;
        match token {
            FDT_BEGIN_NODE => {
                let child = string(tree, at)?;
                path.push(child);
                at = (at + child.len() + 1).next_multiple_of(4);
            }
            FDT_END_NODE => drop(path.pop()),
            FDT_PROP => {
                let length = be32(tree, at)? as usize;
                let found = string(tree, strings + be32(tree, at + 4)? as usize)?;
                at += 8;
                if found == name && path.last() == Some(&node) {
                    ensure!(at + length <= tree.len(), "{name} is longer than the tree");
                    return Ok((at, length));
                }
                at = (at + length).next_multiple_of(4);
            }
            FDT_NOP => {}
            _ => anyhow::bail!("the device tree has no {node}/{name}"),
        }
    }
}

fn be32(tree: &[u8], at: usize) -> Result<u32> {
    let bytes = tree
        .get(at..at + 4)
        .context("the device tree ends too early")?;
    Ok(u32::from_be_bytes(bytes.try_into()?))
}

fn string(tree: &[u8], at: usize) -> Result<&str> {
    let rest = tree.get(at..).context("the device tree ends too early")?;
    let end = rest
        .iter()
        .position(|&byte| byte == 0)
        .context("a name without an end")?;
    std::str::from_utf8(&rest[..end]).context("a name that is no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree as KHO makes it: one property of the root, one of a child.
    fn tree() -> Vec<u8> {
        let strings = b"compatible\0preserved-data\0";
        let mut structure: Vec<u8> = Vec::new();
        let mut word = |value: u32| structure.extend_from_slice(&value.to_be_bytes());
        word(FDT_BEGIN_NODE);
        word(0); // the root's empty name, padded
        word(FDT_PROP);
        word(7);
        word(0);
        structure.extend_from_slice(b"kho-v4\0\0");
        structure.extend_from_slice(&FDT_BEGIN_NODE.to_be_bytes());
        structure.extend_from_slice(b"LUO\0");
        for value in [FDT_PROP, 8, 11] {
            structure.extend_from_slice(&value.to_be_bytes());
        }
        structure.extend_from_slice(&0x1234_5000u64.to_le_bytes());
        for value in [FDT_END_NODE, FDT_END_NODE, 9] {
            structure.extend_from_slice(&value.to_be_bytes());
        }
        let header = 40;
        let mut tree = Vec::new();
        let total = header + structure.len() + strings.len();
        for value in [
            FDT_MAGIC,
            total as u32,
            header as u32,
            (header + structure.len()) as u32,
        ] {
            tree.extend_from_slice(&value.to_be_bytes());
        }
        tree.resize(header, 0);
        tree.extend_from_slice(&structure);
        tree.extend_from_slice(strings);
        tree
    }

    #[test]
    fn properties_are_found_in_the_right_node() {
        let handover = Handover {
            address: 0x8000,
            tree: tree(),
            image: Kimage::default(),
            word: 0,
        };
        let compatible = handover.property("", "compatible").unwrap();
        assert_eq!(compatible.length, 7);
        let at = (compatible.address - 0x8000) as usize;
        assert_eq!(&handover.tree[at..at + 6], b"kho-v4");
        assert_eq!(handover.luo().unwrap(), 0x1234_5000);
        assert!(handover.property("LUO", "compatible").is_err());
        assert!(handover.property("", "preserved-data").is_err());
    }

    #[test]
    fn numbers_are_found_in_either_order() {
        let pair = [0x1234_5000, 48];
        let mut bytes = vec![0; 5];
        bytes.extend(pair.map(u64::to_be_bytes).concat());
        assert_eq!(find_pair(&bytes, pair), Some((5, Order::Big)));
        bytes.extend(pair.map(u64::to_le_bytes).concat());
        assert_eq!(find_pair(&bytes, pair), Some((21, Order::Little)));
        assert_eq!(find_pair(&bytes[..20], pair), None);
        assert_eq!(find_pair(&bytes, [48, 48]), None);
    }

    #[test]
    fn what_is_cut_short_or_no_tree_is_refused() {
        let whole = tree();
        for length in 0..whole.len() {
            // Any answer will do but a panic.
            let _ = find_property(&whole[..length], "LUO", "nothing");
        }
        assert!(find_property(&[0; 64], "", "compatible").is_err());
    }
}
