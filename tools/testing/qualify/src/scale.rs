// SPDX-License-Identifier: GPL-2.0

//! Live updates with much of something.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use lu_vm::Arch;
use lu_vm::Debugger;
use lu_vm::Vm;
use lu_vm::run_debugged;
use rand::RngCore;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::run::Run;

/// The first kernel makes everything within this time, on an idle machine.
const MAKING: Duration = Duration::from_secs(300);

/// The second kernel boots and finds everything within this time. It is 20 seconds for two gigabytes of
/// scattered pages.
const FINDING: Duration = Duration::from_secs(120);

/// Both, and the way from one to the other.
const ALL: Duration = Duration::from_secs(600);

/// The memory of a machine that has room for two times two gigabytes, beside what is scratch on debug kernels.
const LARGE_MIB: u32 = 10240;

/// Memory for `reserve_mem=`: its size and alignment, and a name that the program knows.
const REGIONS: [(&str, u64, u64); 2] = [
    ("lu_large", 64 << 20, 2 << 20),
    ("lu_small", 48 << 10, 16 << 10),
];

/// Bytes of a region that are written and looked at, at its start, in its middle and at its end.
const PROBE: usize = 4096;

/// What there is much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Regions of memory that nobody but KHO knows of.
    Reserved,
    /// Sessions with a file each.
    Sessions,
    /// Files in one session.
    Files,
    /// Huge pages, in one file.
    Huge,
    /// Pages without neighbours, in one file.
    Scattered,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Reserved,
        Self::Sessions,
        Self::Files,
        Self::Huge,
        Self::Scattered,
    ];

    /// What the program calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Sessions => "sessions",
            Self::Files => "files",
            Self::Huge => "huge",
            Self::Scattered => "scattered",
        }
    }
}

/// A live update with all of `parts`, which must come through.
pub fn comes_through(run: &Run<'_>, parts: &[Part]) -> Result<()> {
    let list: String = parts
        .iter()
        .map(|part| format!("{},", part.name()))
        .collect();
    let mut update = run
        .update("scale")
        .cmdline(&format!("lu_parts={list}"))
        .ktap_after_update(parts.len())
        .deadline(ALL);
    if parts.contains(&Part::Scattered) {
        update = update.memory_mib(LARGE_MIB);
    }
    let reserved = parts.contains(&Part::Reserved);
    if reserved {
        for (name, size, alignment) in REGIONS {
            update = update.cmdline(&format!("reserve_mem={size}:{alignment}:{name}"));
        }
    }

    let seed = reserved.then_some(run.seed());
    run_debugged(&update, |vm, socket| see_it_through(vm, socket, seed)).map(drop)
}

/// Waits for both kernels to have done their part, and deals with [`REGIONS`] if there is a seed for them.
fn see_it_through(vm: &mut Vm, socket: &Path, seed: Option<u64>) -> Result<()> {
    let regions = match seed {
        Some(seed) => Some(Regions::fill(vm, socket, seed)?),
        None => None,
    };
    vm.wait_for_within("lu-init: stage 1 done", MAKING)?;
    if let Some(regions) = regions {
        regions.check(vm, socket)?;
    }
    vm.wait_for_within("lu-init: stage 2 done", FINDING)?;
    Ok(())
}

/// Memory that was set aside, and what is in it.
struct Regions {
    /// Where each of [`REGIONS`] is, as a physical address.
    starts: Vec<u64>,
    /// Some places in them, and what is to be there.
    probes: Vec<(u64, [u8; PROBE])>,
}

impl Regions {
    /// Has the program say where they are, writes to them, and lets it go on.
    fn fill(vm: &mut Vm, socket: &Path, seed: u64) -> Result<Self> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let starts = starts(vm)?;
        let mut probes = Vec::new();
        for ((_, size, _), start) in REGIONS.into_iter().zip(&starts) {
            for offset in [0, size / 2, size - PROBE as u64] {
                let mut bytes = [0; PROBE];
                random.fill_bytes(&mut bytes);
                probes.push((start + offset, bytes));
            }
        }
        let mut debugger = Debugger::connect(socket, Arch::from_env()?)?;
        for (address, bytes) in &probes {
            debugger.write_physical(*address, bytes)?;
        }
        debugger.detach()?;
        vm.type_line("go")?;
        Ok(Self { starts, probes })
    }

    /// The same in the next kernel: they are where they were, with what was in them.
    fn check(&self, vm: &mut Vm, socket: &Path) -> Result<()> {
        let found = starts(vm)?;
        if found != self.starts {
            let before = &self.starts;
            return Err(vm.failure(&format!(
                "reserved memory was at {before:#x?} and is at {found:#x?}"
            )));
        }
        let mut debugger = Debugger::connect(socket, Arch::from_env()?)?;
        for (address, bytes) in &self.probes {
            if debugger.read_physical(*address, PROBE)? != bytes {
                return Err(vm.failure(&format!(
                    "reserved memory at {address:#x} has other data than before"
                )));
            }
        }
        debugger.detach()?;
        vm.type_line("go")
    }
}

/// The physical addresses of all regions, which the program shows.
fn starts(vm: &mut Vm) -> Result<Vec<u64>> {
    let mut starts = Vec::new();
    for (name, size, _) in REGIONS {
        let line = vm.wait_for_within(&format!("# region {name} at "), FINDING)?;
        let (_, place) = line.split_once(" at ").unwrap_or_default();
        let mut numbers = place.split_whitespace().map_while(|word| word.parse().ok());
        starts.push(
            numbers
                .next()
                .with_context(|| format!("reading {line:?}"))?,
        );
        ensure!(
            line.contains(&format!(" has {size} bytes")),
            "it should have {size} bytes: {line}"
        );
    }
    vm.wait_for_within("# these are the regions", FINDING)?;
    Ok(starts)
}
