// SPDX-License-Identifier: GPL-2.0

//! PCI devices in sysfs.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use lu_demo::vfio::Answer;
use lu_demo::vfio::Bridge;
use lu_demo::vfio::Device;
use rustix::io::Errno;

use crate::sys::DeviceFd;

const DEVICES: &str = "/sys/bus/pci/devices";
const DRIVERS: &str = "/sys/bus/pci/drivers";

/// Where configuration space has the first of the capabilities.
const CAPABILITIES: usize = 0x34;
/// The capability that PCI Express devices have, and where it says what they are.
const EXPRESS: u8 = 0x10;
const EXPRESS_FLAGS: usize = 2;

/// A PCI device.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its directory, by the way from the root: each bridge is a directory with what is behind it.
    dir: PathBuf,
    address: String,
}

/// Finds the only device that is of this vendor and called so by it.
pub(crate) fn find(id: (u16, u16)) -> Result<Function> {
    let mut found = Vec::new();
    for entry in fs::read_dir(DEVICES).context("listing PCI devices")? {
        let entry = entry.context("listing PCI devices")?;
        let function = Function::at(&entry.path())?;
        if function.id()? == id {
            found.push(function);
        }
    }
    let count = found.len();
    match (found.pop(), count) {
        (Some(function), 1) => Ok(function),
        _ => bail!(
            "there are {count} PCI devices {:04x}:{:04x}, there should be one",
            id.0,
            id.1
        ),
    }
}

impl Function {
    fn at(path: &Path) -> Result<Self> {
        let looking = || format!("looking at {}", path.display());
        let dir = fs::canonicalize(path).with_context(looking)?;
        let address = name(&dir).with_context(looking)?;
        Ok(Self { dir, address })
    }

    /// Where it is, as the kernel writes it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What is to be shown of it.
    pub(crate) fn describe(&self) -> Result<Device> {
        let bridges: Result<Vec<Bridge>> = bridges(&self.dir)
            .into_iter()
            .map(|dir| Self::at(dir)?.as_bridge())
            .collect();
        Ok(Device {
            address: self.address.clone(),
            id: self.id()?,
            bridges: bridges?,
            driver: self.driver(),
        })
    }

    /// Has a driver bound to it, and no other one from then on.
    pub(crate) fn bind(&self, driver: &str) -> io::Result<()> {
        write(&self.dir.join("driver_override"), driver)?;
        write(&Path::new(DRIVERS).join(driver).join("bind"), &self.address)
    }

    /// Takes it from its driver.
    pub(crate) fn unbind(&self) -> io::Result<()> {
        write(&self.dir.join("driver/unbind"), &self.address)
    }

    /// Its character device, while vfio-pci is bound to it.
    pub(crate) fn cdev(&self) -> Result<Cdev> {
        let dir = self.dir.join("vfio-dev");
        let looking = || format!("looking for a character device in {}", dir.display());
        let entry = fs::read_dir(&dir)
            .with_context(looking)?
            .next()
            .with_context(looking)?
            .with_context(looking)?;
        Ok(Cdev {
            path: Path::new("/dev/vfio/devices").join(entry.file_name()),
            number: entry.path().join("dev"),
        })
    }

    fn driver(&self) -> Option<String> {
        name(&fs::read_link(self.dir.join("driver")).ok()?)
    }

    fn id(&self) -> Result<(u16, u16)> {
        let id = |file| {
            let text = self.read(file)?;
            let digits = text.trim_start_matches("0x");
            u16::from_str_radix(digits, 16).with_context(|| format!("understanding {text:?}"))
        };
        Ok((id("vendor")?, id("device")?))
    }

    fn as_bridge(&self) -> Result<Bridge> {
        let bus = |file| {
            let text = self.read(file)?;
            text.parse::<u8>()
                .with_context(|| format!("understanding {text:?}"))
        };
        let config = fs::read(self.dir.join("config"))
            .with_context(|| format!("reading the configuration of {}", self.address))?;
        Ok(Bridge {
            address: self.address.clone(),
            kind: kind(&config).to_owned(),
            buses: (bus("secondary_bus_number")?, bus("subordinate_bus_number")?),
        })
    }

    fn read(&self, file: &str) -> Result<String> {
        let text = fs::read_to_string(self.dir.join(file))
            .with_context(|| format!("reading {file} of {}", self.address))?;
        Ok(text.trim_end().to_owned())
    }
}

/// A character device of VFIO.
#[derive(Debug)]
pub(crate) struct Cdev {
    pub(crate) path: PathBuf,
    /// Where sysfs has its number.
    number: PathBuf,
}

impl Cdev {
    /// Opens it.
    pub(crate) fn open(&self) -> io::Result<DeviceFd> {
        DeviceFd::open(&self.path, &self.number)
    }
}

/// The outcome of a call, for the host.
pub(crate) fn answer<T>(result: io::Result<T>) -> Answer {
    match result {
        Ok(_) => Ok(()),
        Err(error) => Err(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error())),
    }
}

fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

/// The directories of the bridges above a device, beginning at the root.
fn bridges(dir: &Path) -> Vec<&Path> {
    // Root buses and what is above them have no function number.
    let is_function = |dir: &&Path| name(dir).is_some_and(|name| name.contains('.'));
    let mut above: Vec<_> = dir.ancestors().skip(1).take_while(is_function).collect();
    above.reverse();
    above
}

/// What kind of bridge has this configuration space.
fn kind(config: &[u8]) -> &'static str {
    let byte = |at: usize| config.get(at).copied().unwrap_or(0);
    let mut at = usize::from(byte(CAPABILITIES));
    // A list that bites its tail does not keep anybody.
    for _ in 0..48 {
        if at == 0 {
            break;
        }
        if byte(at) == EXPRESS {
            return match byte(at + EXPRESS_FLAGS) >> 4 {
                4 => "root port",
                5 => "upstream port of a switch",
                6 => "downstream port of a switch",
                _ => "bridge",
            };
        }
        at = usize::from(byte(at + 1));
    }
    "bridge"
}

/// Writes to a file of sysfs, at once.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_are_the_directories_above() {
        let dir = Path::new("/sys/devices/pci0000:00/0000:00:05.0/0000:01:00.0/0000:02:00.0");
        let names: Vec<_> = bridges(dir).into_iter().filter_map(name).collect();
        assert_eq!(names, ["0000:00:05.0", "0000:01:00.0"]);
        assert!(bridges(Path::new("/sys/devices/pci0000:00/0000:00:02.0")).is_empty());
    }

    #[test]
    fn the_kind_of_a_bridge_is_in_a_capability() {
        let config = |flags| {
            let mut config = vec![0; 256];
            config[CAPABILITIES] = 0x40;
            config[0x40..0x42].copy_from_slice(&[0x01, 0x50]);
            config[0x50..0x53].copy_from_slice(&[EXPRESS, 0, flags]);
            config
        };
        assert_eq!(kind(&config(0x42)), "root port");
        assert_eq!(kind(&config(0x52)), "upstream port of a switch");
        assert_eq!(kind(&config(0x62)), "downstream port of a switch");
        assert_eq!(kind(&[0; 256]), "bridge");
        assert_eq!(kind(&[0; 64][..16]), "bridge");
        let mut endless = vec![0; 256];
        endless[CAPABILITIES] = 0x40;
        endless[0x41] = 0x40;
        assert_eq!(kind(&endless), "bridge");
    }
}
