// SPDX-License-Identifier: GPL-2.0

//! luoctl does what its help says, over a live update in all four directions.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use lu_vm::Arch;
use lu_vm::Boot;
use lu_vm::Direction;
use lu_vm::Initramfs;
use lu_vm::Transcript;
use lu_vm::in_all_directions;
use lu_vm::places;
use lu_vm::rust;

/// What Debian's package busybox-static installs.
const BUSYBOX: &str = "/bin/busybox";

/// The checks in luoctl/init.sh, in both kernels together.
const CHECKS: usize = 31;

fn root(luoctl: &Path) -> Result<Initramfs> {
    let init = places::repository()?.join("tools/testing/vm/tests/luoctl/init.sh");
    Initramfs::new()
        .program("/init", &init)?
        .program("/bin/luoctl", luoctl)?
        .program("/bin/busybox", Path::new(BUSYBOX))
        .context("the guest needs a static busybox: install busybox-static")
}

fn check(transcript: &Transcript) -> Result<()> {
    let said = |text: &str| -> Vec<&str> {
        let lines = transcript.lines().iter();
        lines
            .filter_map(|line| line.split_once(text).map(|(_, rest)| rest))
            .collect()
    };
    let failed = said("luoctl: FAIL ");
    if !failed.is_empty() {
        bail!("luoctl:\n  {}\n{}", failed.join("\n  "), transcript.tail());
    }
    let done = said("luoctl: done ");
    ensure!(
        done == ["before", "after"],
        "the guest got as far as {done:?}\n{}",
        transcript.tail()
    );
    let passed = said("luoctl: ok ").len();
    ensure!(
        passed == CHECKS,
        "{passed} checks passed and none failed, but there are {CHECKS}"
    );
    Ok(())
}

fn carry(direction: Direction) -> Result<()> {
    let luoctl = rust::static_program(&places::repository()?.join("tools/luoctl"), "luoctl")?;
    let first = root(&luoctl)?
        .file("/next/kernel", &direction.after().path()?)?
        .nested("/next/initrd", root(&luoctl)?)?;
    let name = format!("luoctl_{direction}");
    let transcript = Boot::new(&name, Arch::X86_64, &direction.before().path()?, first)
        .deadline(Duration::from_secs(240))
        .cmdline("kho=on liveupdate=on printk.devkmsg=on")
        .start()?
        .finish()?;
    check(&transcript)
}

in_all_directions!(luoctl_carries_files_over, carry);
