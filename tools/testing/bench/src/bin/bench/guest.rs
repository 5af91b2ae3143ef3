// SPDX-License-Identifier: GPL-2.0

//! One run of a guest: two kernels, one live update.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use lu_bench::NEXT_INITRD_PATH;
use lu_bench::NEXT_KERNEL_PATH;
use lu_bench::PAGE_BYTES;
use lu_bench::PLAN_PATH;
use lu_bench::message::Message;
use lu_bench::work::Fate;
use lu_bench::work::Layout;
use lu_bench::work::Plan;
use lu_bench::work::Role;
use lu_bench::work::Work;
use lu_guest::message::ConsoleMessage;
use lu_vm::Arch;
use lu_vm::Boot;
use lu_vm::Initramfs;
use lu_vm::Transcript;
use lu_vm::Vm;

use crate::cli::Variant;
use crate::clock::Clock;
use crate::phase;
use crate::phase::Phases;
use crate::phase::Said;
use crate::profile::Profile;
use crate::profile::Profiler;

/// The last thing that a kernel says before it jumps.
const LAST_LINE: &str = "Starting new kernel";

/// What both kernels need: live update, a quiet console, and addresses that do not depend on chance.
const CMDLINE: &str = "kho=on liveupdate=on printk.devkmsg=on loglevel=6 nokaslr";

/// Memory of a guest in MiB, besides what it writes files into.
const BASE_MIB: u64 = 512;

/// The kernels, and the program that is `/init` in both.
#[derive(Clone, Debug)]
pub(crate) struct Kernels {
    pub(crate) before: PathBuf,
    pub(crate) after: PathBuf,
    pub(crate) guest: PathBuf,
}

/// What a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) work: Work,
    pub(crate) variant: Variant,
    pub(crate) fate: Fate,
    pub(crate) memory_mib: u32,
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    pub(crate) deadline: Duration,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) releases: [String; 2],
    pub(crate) phases: Phases,
    pub(crate) metadata_pages: i64,
    pub(crate) jumps: u64,
    /// Empty unless it was asked for.
    pub(crate) profile: Profile,
}

/// Memory for a guest that writes a layout. It is the same for all layouts of a size, which so have the
/// same base to be compared with; a scattered one takes twice as much as is preserved.
pub(crate) fn memory_mib(pages: u64) -> u32 {
    let mib = (2 * pages * PAGE_BYTES as u64) >> 20;
    u32::try_from(BASE_MIB + mib + mib / 8).unwrap_or(u32::MAX)
}

/// What the count of free pages may be off by.
const NOISE_PAGES: i64 = 8;

/// Runs a guest. `name` is that of its logs.
pub(crate) fn run(
    name: &str,
    kernels: &Kernels,
    spec: &Spec,
    profiler: Option<&Profiler>,
) -> Result<Outcome> {
    let root = root(kernels, spec, Role::Before)?
        .file(NEXT_KERNEL_PATH, &kernels.after)?
        .nested(NEXT_INITRD_PATH, root(kernels, spec, Role::After)?)?;
    let boot = Boot::new(name, Arch::X86_64, &kernels.before, root)
        .memory_mib(spec.memory_mib)
        .deadline(spec.deadline)
        .cmdline(CMDLINE)
        .cmdline(&format!("tsc_early_khz={}", spec.clock.khz()));
    // What only one is told comes last, so that all else is at the same place.
    let boot = match spec.variant.cmdline() {
        Some(parameter) => boot.cmdline(parameter),
        None => boot,
    };
    let boot = match profiler {
        Some(profiler) => boot.qemu_args(profiler.qemu_args(name, kernels)?),
        None => boot,
    };
    let mut vm = spec.clock.apply(boot).start()?;
    let messages = listen(&mut vm)?;
    let seen = vm.finish()?;
    let mut outcome = outcome(spec, &messages, &seen)
        .map_err(|error| anyhow::anyhow!("{error:#}\n{}", seen.tail()))?;
    if let Some(profiler) = profiler {
        outcome.profile = profiler.read(name, kernels, spec.fate)?;
    }
    Ok(outcome)
}

fn root(kernels: &Kernels, spec: &Spec, role: Role) -> Result<Initramfs> {
    let plan = Plan {
        role,
        work: spec.work,
        fate: spec.fate,
        seed: spec.seed,
        khz: spec.clock.khz(),
    };
    Ok(Initramfs::new()
        .device("/dev/kmsg", 1, 11)
        .program("/init", &kernels.guest)?
        .data(PLAN_PATH, plan.to_text()?.into_bytes()))
}

/// Collects what the guest says, up to its last word.
fn listen(vm: &mut Vm) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    loop {
        let line = vm.wait_for(Message::PREFIX)?;
        let Some(message) = Message::from_line(&line) else {
            continue;
        };
        match message.with_context(|| format!("the console garbled a message: {line}"))? {
            Message::Failed { error, help } => {
                let help = help.map(|help| format!("\n  help: {help}"));
                bail!("in the guest: {error}{}", help.unwrap_or_default());
            }
            message @ Message::After(_) => {
                messages.push(message);
                return Ok(messages);
            }
            message => messages.push(message),
        }
    }
}

fn outcome(spec: &Spec, messages: &[Message], seen: &Transcript) -> Result<Outcome> {
    let (mut releases, mut said_before, mut jump, mut said_after) = (Vec::new(), None, None, None);
    for message in messages {
        match message {
            Message::Hello { release } => releases.push(release.clone()),
            Message::Before(before) => said_before = Some(*before),
            Message::Jump { ticks, anchor } => jump = Some((*ticks, *anchor)),
            Message::After(after) => said_after = Some(*after),
            Message::Progress { .. } | Message::Failed { .. } => {}
        }
    }
    let before = said_before.context("the guest did not say that it has preserved anything")?;
    let (reboot, anchor) = jump.context("the guest did not say that it jumps")?;
    let after = said_after.context("the guest did not say that it is done")?;
    let [first, second] = <[String; 2]>::try_from(releases)
        .map_err(|releases| anyhow::anyhow!("not two kernels said hello, but {releases:?}"))?;
    if spec.fate == Fate::Keep {
        ensure!(
            after.checksum == Some(before.checksum),
            "DATA IS DAMAGED: its checksum is {:#x} before and {:#x} after the update",
            before.checksum,
            after.checksum.unwrap_or_default()
        );
    } else if spec.work.layout != Layout::Nothing {
        // Meanwhile a slab may have taken a page or two.
        ensure!(
            after.freed_pages + NOISE_PAGES >= i64::try_from(spec.work.all_pages())?,
            "finishing gave {} pages back, of {} that were preserved",
            after.freed_pages,
            spec.work.all_pages()
        );
    }
    let said = Said {
        before,
        reboot,
        anchor,
        last_line: last_line(seen)?,
        after,
    };
    Ok(Outcome {
        releases: [first, second],
        phases: spec
            .clock
            .nanoseconds(phase::phases(&said, spec.fate, spec.clock.khz())?),
        metadata_pages: before.metadata_pages,
        jumps: before.jumps,
        profile: Profile::new(),
    })
}

/// The time in front of the first kernel's last line, in microseconds.
fn last_line(seen: &Transcript) -> Result<u64> {
    let line = seen
        .lines()
        .iter()
        .find(|line| line.contains(LAST_LINE))
        .with_context(|| format!("the console does not show {LAST_LINE:?}"))?;
    log_micros(line).with_context(|| format!("there is no time in front of {line:?}"))
}

/// The time in front of a line of the kernel's log, in microseconds.
fn log_micros(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once('[')?;
    let (time, _) = rest.split_once(']')?;
    let (seconds, micros) = time.trim().split_once('.')?;
    (micros.len() == 6).then_some(())?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_in_brackets() {
        assert_eq!(log_micros("[   12.345678] Starting"), Some(12_345_678));
        assert_eq!(log_micros("[    0.000000] x"), Some(0));
        assert_eq!(log_micros("no time"), None);
        assert_eq!(log_micros("[T1] [1.5] x"), None);
    }

    #[test]
    fn memory_grows_with_what_is_written_into_it() {
        assert_eq!(memory_mib(0), 512);
        assert_eq!(memory_mib(1 << 20), 512 + 9 * 1024);
    }
}
