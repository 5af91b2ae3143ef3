// SPDX-License-Identifier: GPL-2.0

//! `luoctl status`.

use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use liveupdate::Device;
use liveupdate::Error;
use liveupdate::kexec;
use serde::Serialize;

use crate::cli::Common;
use crate::output;
use crate::output::Show;

const DEBUGFS: &str = "/sys/kernel/debug/kho";

/// A scratch area, in which the next kernel boots.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Scratch {
    /// Physical address.
    addr: u64,
    /// Bytes.
    size: u64,
}

/// What debugfs says of Kexec HandOver.
#[derive(Debug, Serialize)]
struct Kho {
    scratch: Vec<Scratch>,
    /// Names of what is going to the next kernel.
    outgoing: Vec<String>,
    /// Names of what came from the previous one.
    incoming: Vec<String>,
}

/// The chain of kexecs that led here.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Previous {
    release: String,
    kexecs: u32,
}

#[derive(Serialize)]
struct Status {
    release: String,
    /// Whether sessions can be made and taken.
    usable: bool,
    device: String,
    help: Option<&'static str>,
    /// What the command line says, if anything.
    kho_parameter: Option<String>,
    liveupdate_parameter: Option<String>,
    /// Whether a kernel is loaded for kexec.
    kexec_loaded: Option<bool>,
    kho: Option<Kho>,
    previous: Option<Previous>,
}

impl Show for Status {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        let usable = if self.usable { "yes" } else { "no" };
        writeln!(out, "kernel       {}", self.release)?;
        writeln!(out, "live update  {usable}: {}", self.device)?;
        if let Some(help) = self.help {
            writeln!(out, "  help: {help}")?;
        }
        let parameter = |name: &str, value: &Option<String>| match value {
            Some(value) => format!("{name}={value}"),
            None => format!("no {name}="),
        };
        let kho = parameter("kho", &self.kho_parameter);
        let liveupdate = parameter("liveupdate", &self.liveupdate_parameter);
        writeln!(out, "booted with  {kho}, {liveupdate}")?;
        let loaded = match self.kexec_loaded {
            Some(true) => "loaded",
            Some(false) => "not loaded",
            None => "unknown: sysfs does not say",
        };
        writeln!(out, "next kernel  {loaded}")?;
        match &self.previous {
            Some(Previous { release, kexecs }) => {
                writeln!(out, "came from    {release}, kexec number {kexecs}")?;
            }
            None => writeln!(
                out,
                "came from    unknown: nothing was handed over that says"
            )?,
        }
        let Some(kho) = &self.kho else {
            return writeln!(
                out,
                "kho          unknown: no {DEBUGFS}; is debugfs mounted?"
            );
        };
        for Scratch { addr, size } in &kho.scratch {
            writeln!(out, "kho scratch  {} at {addr:#x}", output::bytes(*size))?;
        }
        writeln!(out, "kho out      {}", names(&kho.outgoing))?;
        writeln!(out, "kho in       {}", names(&kho.incoming))
    }
}

fn names(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    }
}

pub(crate) fn run(common: &Common) -> Result<()> {
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let (usable, device, help) = match Device::open_at(&common.device) {
        Ok(_) => (true, format!("{} opens", common.device.display()), None),
        Err(error @ Error::DeviceBusy { .. }) => (true, error.to_string(), Some(error.help())),
        Err(error) => (false, error.to_string(), Some(error.help())),
    };
    let status = Status {
        release: rustix::system::uname().release().to_string_lossy().into(),
        usable,
        device,
        help,
        kho_parameter: parameter(&cmdline, "kho"),
        liveupdate_parameter: parameter(&cmdline, "liveupdate"),
        kexec_loaded: kexec::is_loaded(),
        kho: kho(Path::new(DEBUGFS)),
        previous: fs::read(Path::new(DEBUGFS).join("in/sub_fdts/kexec-metadata"))
            .ok()
            .and_then(|blob| previous(&blob)),
    };
    output::print(&status, common.json)
}

/// The last value of a parameter on the command line, which is the one that counts.
fn parameter(cmdline: &str, name: &str) -> Option<String> {
    let mut words = cmdline.split_whitespace().take_while(|word| *word != "--");
    let value = |word: &str| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    words.by_ref().filter_map(value).last()
}

fn kho(dir: &Path) -> Option<Kho> {
    let numbers = |name: &str| {
        let text = fs::read_to_string(dir.join("out").join(name)).unwrap_or_default();
        text.lines().filter_map(hex).collect::<Vec<u64>>()
    };
    let list = |side: &str| {
        let entries = fs::read_dir(dir.join(side).join("sub_fdts")).into_iter();
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    };
    if !dir.is_dir() {
        return None;
    }
    let areas = numbers("scratch_phys")
        .into_iter()
        .zip(numbers("scratch_len"));
    Some(Kho {
        scratch: areas.map(|(addr, size)| Scratch { addr, size }).collect(),
        outgoing: list("out"),
        incoming: list("in"),
    })
}

fn hex(line: &str) -> Option<u64> {
    u64::from_str_radix(line.trim().strip_prefix("0x")?, 16).ok()
}

/// Reads `struct kho_kexec_metadata`: version, release in 65 bytes, count; packed.
fn previous(blob: &[u8]) -> Option<Previous> {
    const VERSION: u32 = 1;

    let (version, rest) = blob.split_first_chunk::<4>()?;
    let (release, rest) = rest.split_first_chunk::<65>()?;
    let (count, _) = rest.split_first_chunk::<4>()?;
    if u32::from_ne_bytes(*version) != VERSION {
        return None;
    }
    let end = release.iter().position(|&byte| byte == 0)?;
    Some(Previous {
        release: release[..end].escape_ascii().to_string(),
        kexecs: u32::from_ne_bytes(*count),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_parameter_counts() {
        let cmdline = "kho=off xkho=1 khox=2 kho=on liveupdate=1 -- kho=no\n";
        assert_eq!(parameter(cmdline, "kho").as_deref(), Some("on"));
        assert_eq!(parameter(cmdline, "liveupdate").as_deref(), Some("1"));
        assert_eq!(parameter("quiet", "kho"), None);
    }

    #[test]
    fn metadata_is_read_or_left_alone() {
        let mut blob = 1u32.to_ne_bytes().to_vec();
        let mut release = [0u8; 65];
        release[..5].copy_from_slice(b"7.3.4");
        blob.extend_from_slice(&release);
        blob.extend_from_slice(&3u32.to_ne_bytes());
        let expected = Previous {
            release: "7.3.4".into(),
            kexecs: 3,
        };
        assert_eq!(previous(&blob), Some(expected));
        assert_eq!(previous(&blob[..72]), None);
        blob[0] = 2;
        assert_eq!(previous(&blob), None);
        assert_eq!(previous(&[1; 73]), None);
    }

    #[test]
    fn debugfs_is_read_as_the_kernel_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(kho(&dir.path().join("none")).is_none());
        fs::create_dir_all(dir.path().join("out/sub_fdts")).unwrap();
        fs::write(
            dir.path().join("out/scratch_phys"),
            "0x100000\n0x40000000\n",
        )
        .unwrap();
        fs::write(dir.path().join("out/scratch_len"), "0x200000\n0x400000\n").unwrap();
        fs::write(dir.path().join("out/sub_fdts/LUO"), "").unwrap();
        let found = kho(dir.path()).unwrap();
        assert_eq!(found.scratch[1].addr, 0x4000_0000);
        assert_eq!(found.scratch[1].size, 0x40_0000);
        assert_eq!(found.outgoing, ["LUO"]);
        assert!(found.incoming.is_empty());
    }
}
