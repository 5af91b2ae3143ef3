// SPDX-License-Identifier: GPL-2.0

//! Where the instructions of a phase go, by function.

pub(crate) mod report;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use lu_bench::mark::Mark;
use lu_bench::work::Fate;

use crate::guest::Kernels;
use crate::phase::Phase;

/// What counts, for QEMU.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/profile/count.c");

/// Instructions by function.
pub(crate) type Functions = BTreeMap<String, u64>;

/// Instructions by function, of each phase.
pub(crate) type Profile = BTreeMap<Phase, Functions>;

/// Where, after the reboot call, another phase begins: its number for the plugin, and the function that is entered
/// within a few thousand instructions of the line of the log that a phase is measured by.
const PLACES: [(u32, &str); 3] = [
    // After "Starting new kernel".
    (5, "machine_shutdown"),
    // Says the first line that has a time.
    (6, "trim_bios_range"),
    // After "SLUB:".
    (7, "vmalloc_init"),
];

/// The phase that has a number: a [`Mark`], or one of [`PLACES`].
fn phase(number: u32, fate: Fate) -> Option<Phase> {
    let is = |mark: Mark| mark as u32 == number;
    let finish = match fate {
        Fate::Keep => Phase::Finish,
        Fate::Discard => Phase::Discard,
    };
    let marks = [
        (Mark::Create, Phase::Create),
        (Mark::Preserve, Phase::Preserve),
        (Mark::Unpreserve, Phase::Unpreserve),
        (Mark::Reboot, Phase::Freeze),
        (Mark::Open, Phase::Open),
        (Mark::SessionRetrieve, Phase::SessionRetrieve),
        (Mark::FdRetrieve, Phase::FdRetrieve),
        (Mark::Finish, finish),
    ];
    let places = PLACES.iter().map(|place| place.0);
    let places = places.zip([Phase::Jump, Phase::Ingest, Phase::Boot]);
    let mark = marks.into_iter().find(|(mark, _)| is(*mark));
    let phase = mark.map(|(_, phase)| phase);
    let phase = phase.or_else(|| {
        places
            .into_iter()
            .find(|place| place.0 == number)
            .map(|place| place.1)
    })?;
    // Who discards preserves twice, and what counts is the first time.
    let twice = fate == Fate::Discard && matches!(phase, Phase::Create | Phase::Preserve);
    (!twice).then_some(phase)
}

/// A plugin for QEMU, built.
#[derive(Clone, Debug)]
pub(crate) struct Profiler {
    plugin: PathBuf,
}

impl Profiler {
    /// Builds the plugin beside this program.
    pub(crate) fn build() -> Result<Self> {
        let dir = env::current_exe().context("finding the path of this program")?;
        let dir = dir.with_file_name("lu-bench-profile");
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        let plugin = dir.join("count.so");
        let output = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o"])
            .arg(&plugin)
            .arg(SOURCE)
            .output()
            .context("running cc, which --profile needs (Debian's package gcc)")?;
        ensure!(
            output.status.success(),
            "cc could not build {SOURCE}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(Self { plugin })
    }

    fn counts(&self, name: &str) -> PathBuf {
        self.plugin.with_file_name(format!("{name}.counts"))
    }

    /// What QEMU is told so that a run of that name is counted.
    pub(crate) fn qemu_args(&self, name: &str, kernels: &Kernels) -> Result<[String; 2]> {
        let mut plugin = format!(
            "file={},out={},arm={}",
            self.plugin.display(),
            self.counts(name).display(),
            Mark::Reboot as u32
        );
        let mut map = Symbols::beside(&kernels.before)?;
        for (number, function) in PLACES {
            let address = map.address(function)?;
            plugin.push_str(&format!(",at={number}:{address:x}"));
            // All but the first are in the next kernel.
            map = Symbols::beside(&kernels.after)?;
        }
        Ok(["-plugin".to_owned(), plugin])
    }

    /// Reads what was counted in a run.
    pub(crate) fn read(&self, name: &str, kernels: &Kernels, fate: Fate) -> Result<Profile> {
        let path = self.counts(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let maps = [
            Symbols::beside(&kernels.before)?,
            Symbols::beside(&kernels.after)?,
        ];
        parse(&text, &maps, fate).with_context(|| format!("understanding {}", path.display()))
    }
}

/// Reads lines `begun NUMBER TIMES`, each followed by those of `ADDRESS INSTRUCTIONS`.
fn parse(text: &str, [before, after]: &[Symbols; 2], fate: Fate) -> Result<Profile> {
    let mut profile = Profile::new();
    let mut current = None;
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            ["begun", number, _] => current = phase(number.parse()?, fate),
            [address, count] => {
                let Some(phase) = current else { continue };
                let symbols = if phase <= Phase::Freeze {
                    before
                } else {
                    after
                };
                let name = symbols.name(u64::from_str_radix(address, 16)?, phase);
                let functions: &mut Functions = profile.entry(phase).or_default();
                *functions.entry(name).or_default() += count.parse::<u64>()?;
            }
            _ => anyhow::bail!("there is a line {line:?}"),
        }
    }
    Ok(profile)
}

/// Functions of a kernel, by address.
struct Symbols(BTreeMap<u64, String>);

impl Symbols {
    /// Reads the System.map that lies beside an image.
    fn beside(image: &Path) -> Result<Self> {
        let path = image.with_file_name("System.map");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("reading {}, which --profile needs", path.display()))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let function = |line: &str| {
            let mut fields = line.splitn(3, ' ');
            let address = u64::from_str_radix(fields.next()?, 16).ok()?;
            let code = matches!(fields.next()?, "t" | "T" | "w" | "W");
            let name = rustc_demangle::demangle(fields.next()?);
            // Without the hash that tells two of a name apart.
            code.then(|| (address, format!("{name:#}")))
        };
        Self(text.lines().filter_map(function).collect())
    }

    fn address(&self, function: &str) -> Result<u64> {
        let found = self.0.iter().find(|(_, name)| *name == function);
        let (address, _) =
            found.with_context(|| format!("the kernel has no function {function}"))?;
        Ok(*address)
    }

    fn name(&self, address: u64, phase: Phase) -> String {
        /// Lower addresses are not the kernel's.
        const KERNEL: u64 = 1 << 63;
        const PIECE: u64 = 1 << 20;
        if address < KERNEL {
            return match phase {
                Phase::Jump => format!("[purgatory, decompressor: {:#x}]", address / PIECE * PIECE),
                _ => "[userspace]".to_owned(),
            };
        }
        let function = self.0.range(..=address).next_back();
        function.map_or_else(|| "[unknown]".to_owned(), |(_, name)| name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "ffffffff81000000 T first\nffffffff81000010 D data\n\
                       ffffffff81000020 t _RNvCs1_1a3two\nffffffff81000030 t last\n";

    #[test]
    fn counts_are_added_by_function_and_phase() {
        let maps = [Symbols::parse(MAP), Symbols::parse(MAP)];
        let text = "begun 2 1\nffffffff81000000 5\nffffffff81000012 2\n401000 1\n\
                    begun 5 1\n1000000 7\nbegun 6 1\nffffffff81000024 3\nbegun 11 2\nffffffff81000031 9\n";
        let profile = parse(text, &maps, Fate::Keep).unwrap();
        let preserve = [("[userspace]".to_owned(), 1), ("first".to_owned(), 7)];
        assert_eq!(profile[&Phase::Preserve], Functions::from(preserve));
        assert_eq!(profile[&Phase::Ingest]["a::two"], 3);
        assert_eq!(
            profile[&Phase::Jump]["[purgatory, decompressor: 0x1000000]"],
            7
        );
        assert_eq!(profile[&Phase::Finish]["last"], 9);
        let profile = parse(text, &maps, Fate::Discard).unwrap();
        assert_eq!(profile[&Phase::Discard]["last"], 9);
        assert!(!profile.contains_key(&Phase::Preserve));
        assert!(parse("what", &maps, Fate::Keep).is_err());
    }

    #[test]
    fn places_are_found_by_name() {
        let map = Symbols::parse(MAP);
        assert_eq!(map.address("last").unwrap(), 0xffff_ffff_8100_0030);
        assert!(map.address("data").is_err());
    }

    #[test]
    fn the_plugin_and_the_marks_agree_on_numbers() {
        let source = fs::read_to_string(SOURCE).unwrap();
        assert!(source.contains("MARK_MAGIC = 0x4c554200"));
        for number in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] {
            assert!(phase(number, Fate::Keep).is_some());
        }
        assert_eq!(phase(Mark::Own as u32, Fate::Keep), None);
    }
}
