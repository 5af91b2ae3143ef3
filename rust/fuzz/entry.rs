// SPDX-License-Identifier: GPL-2.0

//! What the fuzz targets do with their input: one function each, which must return.
//!
//! Each of them builds from the bytes what its parser reads, runs the parser, and checks what it
//! promises. The same functions are replayed with pseudo-random bytes by `tests/replay.rs`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use liveupdate_core::abi::addr::Pfn;
use liveupdate_core::abi::addr::PhysAddr;
use liveupdate_core::abi::block::BlockHeader;
use liveupdate_core::abi::kho::Geometry;
use liveupdate_core::abi::kho::KhoVmalloc;
use liveupdate_core::abi::memfd::ExtentSer;
use liveupdate_core::abi::memfd::FolioSer;
use liveupdate_core::abi::memfd::MemfdSer;
use liveupdate_core::abi::pci::PciDevSer;
use liveupdate_core::logic::chain::Chain;
use liveupdate_core::logic::chain::Layout;
use liveupdate_core::logic::foreign::ForeignTree;
use liveupdate_core::logic::foreign::Limits;
use liveupdate_core::logic::key::Key;
use liveupdate_core::logic::memfd::File;
use liveupdate_core::logic::metadata;
use liveupdate_core::logic::name::CStrField;
use liveupdate_core::logic::pci::Device;
use liveupdate_core::logic::pci::State;
use liveupdate_core::logic::pci::Table;
use liveupdate_core::logic::radix::NodeMem;
use liveupdate_core::logic::scratch::ScratchSpec;
use liveupdate_core::logic::vmalloc::Area;
use liveupdate_core::logic::walk::Step;
use zerocopy::FromBytes;
use zerocopy::FromZeros;

/// Input that is used up from the front; zero where there is no more.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn number<const N: usize>(&mut self) -> u64 {
        (0..N).fold(0, |value, _| value << 8 | u64::from(self.byte()))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Pages in the images below, at frames 1 to `PAGES`.
const PAGES: u64 = 8;

/// Few pages of words, most of them zero; the others are addresses of pages as a rule.
struct Image<const SHIFT: u32> {
    /// The words that are not zero, by page and position.
    words: BTreeMap<(u64, usize), u64>,
    /// Reads so far.
    reads: Cell<u64>,
}

impl<const SHIFT: u32> Image<SHIFT> {
    /// Builds an image from all of the input.
    fn new(input: &mut Input<'_>) -> Self {
        let mut words = BTreeMap::new();

        while !input.is_empty() && words.len() < 200 {
            let kind = input.byte();
            let page = u64::from(kind >> 4) % PAGES + 1;
            let slot = input.number::<2>() as usize;
            // Low slots are more interesting: there is the header, and the start of arrays.
            let slot = if kind & 8 == 0 { slot % 4 } else { slot };
            let value = match kind & 7 {
                0..=3 => (u64::from(input.byte()) % (PAGES + 2)) << SHIFT,
                4 => u64::MAX,
                5 => u64::from(input.byte()),
                6 => 1 << (input.byte() % 64),
                _ => input.number::<8>(),
            };

            words.insert((page, slot % (1 << (SHIFT - 3))), value);
        }
        Self {
            words,
            reads: Cell::new(0),
        }
    }

    /// Whether there is a page at an address, which must be that of a page.
    fn has(&self, address: PhysAddr) -> bool {
        assert!(address.is_aligned(SHIFT));
        (1..=PAGES).contains(&(address.get() >> SHIFT))
    }

    /// Reads a word, or nothing where there is no page.
    fn read(&self, address: PhysAddr, word: usize) -> Option<u64> {
        assert!(word < 1 << (SHIFT - 3));
        self.reads.set(self.reads.get() + 1);
        self.has(address).then(|| {
            let key = (address.get() >> SHIFT, word);

            self.words.get(&key).copied().unwrap_or(0)
        })
    }
}

impl<const SHIFT: u32> NodeMem for &Image<SHIFT> {
    fn load(&self, node: PhysAddr, word: usize) -> u64 {
        self.read(node, word)
            .unwrap_or_else(|| panic!("{node} was read without being readable"))
    }

    fn store(&self, node: PhysAddr, _: usize, _: u64) {
        panic!("a foreign tree is not written to, least of all at {node}");
    }
}

/// Calls a function for one of the page sizes, as the first byte says.
macro_rules! by_page_size {
    ($input:ident, $body:ident) => {
        match $input.byte() % 8 {
            0 => $body::<14>($input),
            1 => $body::<16>($input),
            _ => $body::<12>($input),
        }
    };
}

/// Reads keys of the radix tree.
pub fn key(data: &[u8]) {
    fn run<const SHIFT: u32>(mut input: Input<'_>) {
        let (raw, order) = (input.number::<8>(), input.number::<4>() as u32);

        if let Some(key) = Key::<SHIFT>::from_raw(raw) {
            assert!(key.order() <= Geometry::<SHIFT>::MAX_ORDER);
            assert_eq!(Key::new(key.pfn(), key.order()), Some(key));
        }
        for order in [order, order % 64] {
            let address = PhysAddr::new(raw);

            if let Some(key) = Key::<SHIFT>::from_phys(address, order) {
                assert_eq!(key.pfn().phys_with(SHIFT), Some(address));
                assert_eq!(key.order(), order);
                assert_eq!(Key::from_raw(key.raw()), Some(key));
            }
        }
    }
    let mut input = Input(data);

    by_page_size!(input, run);
}

/// Walks a radix tree.
pub fn radix(data: &[u8]) {
    /// Most nodes to visit.
    const NODES: u64 = 20;

    fn run<const SHIFT: u32>(mut input: Input<'_>) {
        let end = Pfn::new(1 << (input.byte() % 64));
        let limits = Limits::new(end, u32::from(input.byte() % 64)).with_max_nodes(NODES);
        let root = PhysAddr::new(u64::from(input.byte() % 12) << SHIFT);
        let image = Image::<SHIFT>::new(&mut input);
        let tree = ForeignTree::<_, _, SHIFT>::new(&image, |node| image.has(node), limits, root);
        let (mut nodes, mut next, mut failed) = (0, 0, false);

        for step in tree.walk() {
            assert!(!failed, "goes on after an error");
            match step {
                Ok(Step::Node { .. }) => nodes += 1,
                Ok(Step::Word { base, bits }) => {
                    assert!(bits != 0 && base >= next);
                    next = base + 64;
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    failed = true;
                }
            }
        }
        assert!(nodes <= NODES);
        assert!(image.reads.get() <= NODES << (SHIFT - 3));
        same_in_all_views(&tree, end, failed);
    }

    let mut input = Input(data);

    by_page_size!(input, run);
}

/// Checks that the keys and the runs of a tree agree.
fn same_in_all_views<const SHIFT: u32, C: Fn(PhysAddr) -> bool>(
    tree: &ForeignTree<&Image<SHIFT>, C, SHIFT>,
    end: Pfn,
    failed: bool,
) {
    let mut keys = tree.keys().map_while(Result::ok);

    for run in tree.runs() {
        let Ok(run) = run else {
            assert!(failed);
            break;
        };

        assert!(run.end().is_some_and(|behind| behind <= end));
        for i in 0..run.count {
            let pfn = Pfn::new(run.start.get() + (i << run.order));
            let key = Key::<SHIFT>::new(pfn, run.order).map(Key::raw);

            assert_eq!(keys.next(), key);
        }
    }
    assert_eq!(keys.next(), None);
}

/// Follows a chain of blocks.
pub fn chain(data: &[u8]) {
    fn run<const SHIFT: u32>(mut input: Input<'_>) {
        let layout = Layout::with(SHIFT, input.number::<2>() as usize);
        let head = match input.byte() {
            0 => input.number::<8>(),
            page => u64::from(page % 10) << SHIFT,
        };
        let image = Image::<SHIFT>::new(&mut input);
        let mem = |block| {
            Some(BlockHeader {
                next: image.read(block, 0)?,
                count: image.read(block, 1)?,
            })
        };

        match Chain::check(&mem, head, layout) {
            Ok(chain) => {
                let blocks: Vec<_> = chain.blocks().collect();
                let distinct: BTreeSet<_> = blocks.iter().map(|block| block.address).collect();
                let entries: u64 = blocks.iter().map(|block| block.count).sum();

                assert_eq!(blocks.len() as u64, chain.nr_blocks());
                assert_eq!(distinct.len(), blocks.len());
                assert!(distinct.iter().all(|block| image.has(*block)));
                assert_eq!(entries, chain.entries());
                assert!(chain.expect_total(entries + 1).is_err());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        assert!(image.reads.get() < 100);
    }
    let mut input = Input(data);

    by_page_size!(input, run);
}

/// Reads the description of a vmalloc area.
pub fn vmalloc(data: &[u8]) {
    fn run<const SHIFT: u32>(mut input: Input<'_>) {
        let end = Pfn::new(1 << (input.byte() % 64));
        let area = KhoVmalloc {
            first: u64::from(input.byte() % 10) << SHIFT,
            total_pages: match input.byte() {
                0 => input.number::<4>() as u32,
                pages => u32::from(pages),
            },
            flags: u16::from(input.byte() % 5),
            order: match input.byte() {
                0 => input.number::<2>() as u16,
                order => u16::from(order % 4),
            },
        };
        let image = Image::<SHIFT>::new(&mut input);
        let mem = |chunk, word| image.read(chunk, word);

        match Area::<_, SHIFT>::check(&mem, &area, end) {
            Ok(area) => {
                let blocks: Vec<_> = area.blocks().collect();

                assert_eq!(
                    (blocks.len() as u64) << area.order(),
                    u64::from(area.pages())
                );
                for block in blocks {
                    assert!(block.is_aligned(SHIFT + area.order()));
                    assert!(block.pfn_with(SHIFT) < end);
                }
                assert!(area.chunks().all(|chunk| image.has(chunk)));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        // All that 2^32 pages could need is not all that nine pages can hold.
        assert!(image.reads.get() <= 6 * (u64::from(area.total_pages) + 2) + 100);
    }
    let mut input = Input(data);

    by_page_size!(input, run);
}

/// Reads extents of a file, and goes through the memory of the first ones.
fn extents<const SHIFT: u32>(
    file: &File<SHIFT>,
    rest: &[u8],
    order_of: impl Fn(Pfn) -> Option<u32>,
) {
    let entries: Vec<_> = rest
        .chunks_exact(size_of::<ExtentSer>())
        .filter_map(|entry| ExtentSer::read_from_bytes(entry).ok())
        .collect();
    let (mut next, mut failed) = (0, false);

    for extent in file.extents(&entries) {
        assert!(!failed, "goes on after an error");
        let extent = match extent {
            Ok(extent) => extent,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                failed = true;
                continue;
            }
        };
        assert!(extent.index >= next && extent.index + extent.pages <= file.pages());
        next = extent.index + extent.pages;
        let mut left = extent.pages;
        // Any length is possible, as every address of memory seems to be.
        for step in extent.pieces(9, &order_of).flatten().take(100) {
            assert!((step.pfn.get() | step.index).trailing_zeros() >= step.order);
            left = left.checked_sub(step.pages()).expect("it fits");
        }
    }
}

/// Reads the description of a memfd and its folios or extents.
pub fn memfd(data: &[u8]) {
    fn run<const SHIFT: u32>(input: Input<'_>) {
        let (ser, rest) = match MemfdSer::read_from_prefix(input.0) {
            Ok(both) => both,
            Err(_) => (MemfdSer::new_zeroed(), &[][..]),
        };
        let file = match File::<SHIFT>::check(&ser) {
            Ok(file) => file,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return;
            }
        };
        let entries = rest.chunks_exact(size_of::<FolioSer>());
        let entries: Vec<_> = entries
            .filter_map(|entry| FolioSer::read_from_bytes(entry).ok())
            .collect();
        let order_of = |pfn: Pfn| match pfn.get() % 7 {
            0 => None,
            6 => Some(pfn.get() as u32),
            _ => Some(pfn.get().trailing_zeros()),
        };
        let (mut next, mut failed) = (0, false);

        extents(&file, rest, order_of);
        let _ = file.check_array(u64::from({ ser.folios }.total_pages), 16);
        for folio in file.folios(&entries, order_of).merged(9) {
            assert!(!failed, "goes on after an error");
            match folio {
                Ok(folio) => {
                    assert!(folio.index >= next && folio.index < file.pages());
                    assert!(folio.pfn.is_aligned(folio.order));
                    next = folio.index + (1 << folio.order);
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    failed = true;
                }
            }
        }
    }
    let mut input = Input(data);

    by_page_size!(input, run);
}

/// Reads a table of PCI devices, and finishes them in any order.
pub fn pci(data: &[u8]) {
    let (entries, rest) = data.split_at(data.len() / 2);
    let devices: Vec<_> = entries
        .chunks_exact(size_of::<PciDevSer>())
        .filter_map(|bytes| Device::new(&PciDevSer::read_from_bytes(bytes).ok()?))
        .collect();
    let mut left: BTreeMap<_, u64> = BTreeMap::new();
    let mut table = Table::new(devices.clone());
    let mut input = Input(rest);

    for device in &devices {
        let others = devices.iter().filter(|it| it.address() == device.address());
        let (State::Kept(uses), 1) = (device.state(), others.count()) else {
            assert_eq!(table.state(device.address()), Some(State::Unusable));
            continue;
        };
        left.insert(device.address(), uses.into());
    }
    while !input.is_empty() && !devices.is_empty() {
        let address = devices[input.byte() as usize % devices.len()].address();
        let is_endpoint = input.byte() & 1 == 1;
        let before = left.get(&address).copied().unwrap_or(0);
        let after = if is_endpoint {
            0
        } else {
            before.saturating_sub(1)
        };

        match table.finish(address, is_endpoint) {
            None => assert_eq!(before, 0),
            Some(State::Finished) => assert!(before > 0 && after == 0),
            Some(State::Kept(uses)) => assert_eq!(u64::from(uses), after),
            Some(state) => panic!("finishing makes {state:?}"),
        }
        left.insert(address, after);
    }
}

/// Reads strings in fields of fixed size.
pub fn name(data: &[u8]) {
    fn run<const N: usize>(data: &[u8]) {
        let mut field = [0xff; N];

        for (to, from) in field.iter_mut().zip(data) {
            *to = *from;
        }
        for name in [CStrField::<N>::parse(&field), CStrField::from_bytes(data)] {
            match name {
                Ok(name) => {
                    assert!(data.starts_with(name.as_bytes()));
                    assert!((1..N).contains(&name.as_bytes().len()));
                    assert!(name
                        .to_string()
                        .bytes()
                        .all(|byte| (b' '..=b'~').contains(&byte)));
                    assert_eq!(CStrField::parse(name.as_array()), Ok(name));
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }

    run::<8>(data);
    run::<48>(data);
    run::<64>(data);
}

/// Reads a value of `kho_scratch=`.
pub fn scratch(data: &[u8]) {
    // Random bytes rarely make a number: map them to the characters that matter.
    const ALPHABET: &[u8; 32] = b"0123456789abcdefxKMGTPE,,,%%+ -z";
    let likely: Vec<_> = data
        .iter()
        .map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()])
        .collect();

    for text in [data, &likely] {
        match ScratchSpec::parse(text) {
            Ok(spec) => {
                for bytes in [0, 1 << 20, u64::MAX] {
                    let align = 4 << 20;

                    for size in [
                        spec.lowmem(bytes, align),
                        spec.global(bytes / 2, bytes, align),
                        spec.per_node(bytes, align),
                    ] {
                        assert!(size.is_none_or(|size| size % align == 0));
                    }
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Reads kexec metadata.
pub fn metadata(data: &[u8]) {
    let mut versioned = data.to_vec();

    // Most versions are unknown, and end there.
    if let [first, second, third, fourth, ..] = versioned.as_mut_slice() {
        [*first, *second, *third, *fourth] = 1u32.to_ne_bytes();
    }
    for blob in [data, &versioned] {
        match metadata::parse(blob) {
            Ok(metadata) => assert!(blob[4..].starts_with(metadata.release.as_bytes())),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
