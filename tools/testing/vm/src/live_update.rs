// SPDX-License-Identifier: GPL-2.0

//! What a test looks like: a program, the kernels it runs on, what must hold.

use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::arch::Arch;
use crate::console::Transcript;
use crate::devices::Devices;
use crate::guest::Program;
use crate::initramfs::Initramfs;
use crate::kernel::Kernel;
use crate::kernel::Pair;
use crate::ktap::Ktap;
use crate::places;
use crate::splat::Splats;
use crate::vm::Boot;

/// Where the init programs look for things.
pub(crate) const KERNEL: &str = "/kernel";
const INITRD: &str = "/initrd.img";
const PROGRAM: &str = "/test_binary";
const INIT: &str = "/init";
const CMDLINE_AFTER: &str = "/cmdline_after";

/// Shows the kernel's notices and warnings, but not its chatter.
pub(crate) const QUIET: &str = "loglevel=6";

/// The program that runs first in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// `tools/testing/vm/guest/init.c`, which writes what a program prints to the kernel's log, so that
    /// its lines and the kernel's do not run into each other.
    Ours,
    /// Mainline's `selftests/liveupdate/init.c`, unmodified.
    MainlineLiveUpdate,
    /// Mainline's `selftests/kho/init.c`, unmodified: no program, no initramfs for the second kernel.
    MainlineKho,
}

impl Init {
    fn program(self) -> Program {
        match self {
            Self::Ours => Program::in_repository("tools/testing/vm/guest/init.c"),
            Self::MainlineLiveUpdate => Program::mainline("liveupdate/init.c"),
            Self::MainlineKho => Program::mainline("kho/init.c"),
        }
    }
}

/// A program that runs before and after one live update.
pub struct LiveUpdate {
    name: String,
    kernels: Pair,
    init: Init,
    program: Option<Program>,
    before: Vec<String>,
    after: Vec<String>,
    ktap_after: Option<usize>,
    memory_mib: Option<u32>,
    cpus: Option<u32>,
    qemu_args: Vec<String>,
    cmdline: Vec<String>,
    cmdline_after: Option<String>,
    devices: Option<Devices>,
    deadline: Option<Duration>,
    splats: Splats,
    counts_instructions: bool,
    jumps_by_itself: bool,
}

impl LiveUpdate {
    /// A live update in the given direction, or from one kernel to another. The logs are in a directory
    /// of this `name` and theirs.
    pub fn new(name: &str, kernels: impl Into<Pair>) -> Self {
        let kernels = kernels.into();
        Self {
            name: format!("{name}-{kernels}"),
            kernels,
            init: Init::Ours,
            program: None,
            before: Vec::new(),
            after: Vec::new(),
            ktap_after: None,
            memory_mib: None,
            cpus: None,
            qemu_args: Vec::new(),
            cmdline: Vec::new(),
            cmdline_after: None,
            devices: None,
            deadline: None,
            splats: Splats::none_allowed(),
            counts_instructions: false,
            jumps_by_itself: false,
        }
    }

    /// The program that runs with `-s 1` before the live update and with `-s 2` after it.
    pub fn program(mut self, program: Program) -> Self {
        self.program = Some(program);
        self
    }

    /// Starts the program by mainline's own init. It prints to the console directly, so the kernel
    /// has to be quiet: what it says below the level of a warning may end up within a line.
    pub fn mainline_init(mut self) -> Self {
        self.init = Init::MainlineLiveUpdate;
        self.quiet()
    }

    /// Hides what the kernels say below a notice, for programs that make them chatter.
    pub fn quiet(self) -> Self {
        self.cmdline(QUIET)
    }

    /// Runs mainline's KHO test: there is no program, and the second kernel ends when it finds no
    /// root file system, which comes after its tests.
    pub fn mainline_kho(mut self) -> Self {
        self.init = Init::MainlineKho;
        self.splats = self.splats.ends_at("Unable to mount root fs");
        self
    }

    /// The first kernel's console must show this.
    pub fn before_update(mut self, text: &str) -> Self {
        self.before.push(text.to_owned());
        self
    }

    /// The second kernel's console must show this.
    pub fn after_update(mut self, text: &str) -> Self {
        self.after.push(text.to_owned());
        self
    }

    /// The program reports this many tests in the second kernel, by KTAP, and all of them pass.
    pub fn ktap_after_update(mut self, count: usize) -> Self {
        self.ktap_after = Some(count);
        self
    }

    /// The size of memory. The program finds it as `lu_mib=` on the command line.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = Some(mib);
        self.cmdline(&format!("lu_mib={mib}"))
    }

    /// The number of processors. The program finds it as `lu_cpus=` on the command line.
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = Some(cpus);
        self.cmdline(&format!("lu_cpus={cpus}"))
    }

    /// Makes guest time count instructions, with one processor.
    pub fn count_instructions(mut self) -> Self {
        self.counts_instructions = true;
        self
    }

    /// Adds arguments for QEMU, for another kind of machine.
    pub fn qemu_args(mut self, arguments: &[&str]) -> Self {
        self.qemu_args
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Adds to the command line of both kernels.
    pub fn cmdline(mut self, argument: &str) -> Self {
        self.cmdline.push(argument.to_owned());
        self
    }

    /// The program starts the second kernel itself, with our init.
    pub fn jumps_by_itself(mut self) -> Self {
        self.jumps_by_itself = true;
        self
    }

    /// Adds to the command line of the second kernel, for tests with our init.
    pub fn cmdline_after(mut self, arguments: &str) -> Self {
        self.cmdline_after = Some(arguments.to_owned());
        self
    }

    /// A machine with these devices.
    pub fn devices(mut self, devices: Devices) -> Self {
        self.devices = Some(devices);
        self
    }

    /// How long it all may take.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Which complaints of the kernels are fine.
    pub fn splats(mut self, splats: Splats) -> Self {
        self.splats = splats;
        self
    }

    /// Boots, live-updates, and checks what must hold. Gives the console for further checks.
    pub fn run(self) -> Result<Transcript> {
        let seen = self.boot()?.start()?.finish()?;
        self.verify(&seen)?;
        Ok(seen)
    }

    /// Checks what must hold, for a test that has run [`Self::boot`] itself.
    pub fn verify(&self, seen: &Transcript) -> Result<()> {
        self.check(seen)
            .map_err(|error| failed(&self.name, &error, seen))
    }

    /// The guest, ready to start.
    pub fn boot(&self) -> Result<Boot> {
        let arch = Arch::from_env()?;
        let root = self.initramfs(arch)?;
        let kernel = self.kernels.before.path()?;
        let boot = Boot::new(&self.name, arch, &kernel, root).splats(self.splats.clone());
        let boot = with_live_update(boot, &self.cmdline);
        let boot = with_devices(boot, self.devices.as_ref()).qemu_args(self.qemu_args.clone());
        let boot = match self.memory_mib {
            Some(mib) => boot.memory_mib(mib),
            None => boot,
        };
        let boot = match self.cpus {
            Some(cpus) => boot.cpus(cpus),
            None => boot,
        };
        let boot = with_counting(boot, self.counts_instructions);
        Ok(with_deadline(boot, self.deadline))
    }

    fn initramfs(&self, arch: Arch) -> Result<Initramfs> {
        let Pair { before, after } = &self.kernels;
        let root = with_modules(self.programs(arch)?, "", before)?;
        let root = root.file(KERNEL, &after.path()?)?;
        let root = match &self.cmdline_after {
            Some(arguments) => root.data(CMDLINE_AFTER, arguments.clone().into_bytes()),
            None => root,
        };
        if self.init == Init::MainlineKho {
            return Ok(root);
        }
        root.nested(INITRD, with_modules(self.programs(arch)?, "", after)?)
    }

    /// What both kernels find.
    fn programs(&self, arch: Arch) -> Result<Initramfs> {
        let root = programs(&self.name, arch, self.init, self.program.as_ref())?;
        Ok(with_files(root, self.devices.as_ref()))
    }

    fn check(&self, seen: &Transcript) -> Result<()> {
        no_failed_stage(seen)?;
        let boots = seen.boots();
        let [before, after] = boots[..] else {
            bail!("{} kernels said hello, a live update has two", boots.len());
        };
        let releases = seen.releases();
        two_kernels(&self.kernels, releases[0], releases[1])?;
        if self.init == Init::Ours {
            if !self.jumps_by_itself {
                must_show(before, &[stage_done("1")], "before")?;
            }
            must_show(after, &[stage_done("2")], "after")?;
        }
        must_show(before, &self.before, "before")?;
        must_show(after, &self.after, "after")?;
        check_ktap(after, self.ktap_after)
    }
}

/// A program that runs on one kernel.
pub struct SingleKernel {
    name: String,
    kernel: Kernel,
    program: Program,
    shows: Vec<String>,
    ktap: Option<usize>,
    cmdline: Vec<String>,
    devices: Option<Devices>,
    deadline: Option<Duration>,
    counts_instructions: bool,
}

impl SingleKernel {
    /// Runs `program` on that kernel.
    pub fn new(name: &str, kernel: impl Into<Kernel>, program: Program) -> Self {
        let kernel = kernel.into();
        Self {
            name: format!("{name}-{kernel}"),
            kernel,
            program,
            shows: Vec::new(),
            ktap: None,
            cmdline: Vec::new(),
            devices: None,
            deadline: None,
            counts_instructions: false,
        }
    }

    /// How long it all may take.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Makes guest time count instructions, with one processor.
    pub fn count_instructions(mut self) -> Self {
        self.counts_instructions = true;
        self
    }

    /// The console must show this.
    pub fn shows(mut self, text: &str) -> Self {
        self.shows.push(text.to_owned());
        self
    }

    /// The program reports this many tests by KTAP, and all of them pass.
    pub fn ktap(mut self, count: usize) -> Self {
        self.ktap = Some(count);
        self
    }

    /// Hides what the kernel says below a notice, for programs that make it chatter.
    pub fn quiet(self) -> Self {
        self.cmdline(QUIET)
    }

    /// Adds to the kernel's command line.
    pub fn cmdline(mut self, argument: &str) -> Self {
        self.cmdline.push(argument.to_owned());
        self
    }

    /// A machine with these devices.
    pub fn devices(mut self, devices: Devices) -> Self {
        self.devices = Some(devices);
        self
    }

    /// Boots, runs, and checks what must hold.
    pub fn run(self) -> Result<Transcript> {
        let arch = Arch::from_env()?;
        let root = programs(&self.name, arch, Init::Ours, Some(&self.program))?;
        let root = with_modules(root, "", &self.kernel)?;
        let root = with_files(root, self.devices.as_ref());
        let boot = Boot::new(&self.name, arch, &self.kernel.path()?, root);
        let boot = with_live_update(boot, &self.cmdline);
        let boot = with_devices(boot, self.devices.as_ref());
        let boot = with_deadline(boot, self.deadline);
        let boot = with_counting(boot, self.counts_instructions);
        let seen = boot.start()?.finish()?;
        self.check(&seen)
            .map_err(|error| failed(&self.name, &error, &seen))?;
        Ok(seen)
    }

    fn check(&self, seen: &Transcript) -> Result<()> {
        no_failed_stage(seen)?;
        let boots = seen.boots();
        let [only] = boots[..] else {
            bail!("{} kernels said hello, there should be one", boots.len());
        };
        must_show(only, &[stage_done("only")], "without")?;
        must_show(only, &self.shows, "without")?;
        check_ktap(only, self.ktap)
    }
}

pub(crate) fn failed(name: &str, error: &anyhow::Error, seen: &Transcript) -> anyhow::Error {
    seen.failure(format_args!("{name}: {error:#}"))
}

/// The init and the program, as one finds them in the root directory of either kernel.
pub(crate) fn programs(
    name: &str,
    arch: Arch,
    init: Init,
    program: Option<&Program>,
) -> Result<Initramfs> {
    let dir = places::output_dir()?.join("vm-programs").join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let built = dir.join("init");
    init.program().build(arch, &built)?;
    let root = Initramfs::new().program(INIT, &built)?;
    let Some(program) = program else {
        return Ok(root);
    };
    let built = dir.join("program");
    program.build(arch, &built)?;
    root.program(PROGRAM, &built)
}

/// Adds what our init loads before anything else, and tests may load again: in `dir`, or in the root
/// directory if that is empty.
pub(crate) fn with_modules(root: Initramfs, dir: &str, kernel: &Kernel) -> Result<Initramfs> {
    let mut modules = kernel.modules()?.into_iter().enumerate();

    modules.try_fold(root, |root, (number, module)| {
        root.file(&format!("{dir}/modules/{number}.ko"), &module)
    })
}

/// What our or mainline's init says when something did not work tells more than what is missing then.
pub(crate) fn no_failed_stage(seen: &Transcript) -> Result<()> {
    let failed = |line: &&String| {
        (line.contains("lu-init:") && line.contains(" failed: ")) || line.contains("INIT: Failed")
    };
    match seen.lines().iter().find(failed) {
        Some(line) => bail!("the guest gave up: {line}"),
        None => Ok(()),
    }
}

/// What our init says when the program of a stage has ended well.
pub(crate) fn stage_done(stage: &str) -> String {
    format!("lu-init: stage {stage} done")
}

/// What one image calls itself after another proves that the update was not from an image to itself.
pub(crate) fn two_kernels(kernels: &Pair, before: &str, after: &str) -> Result<()> {
    let (first, second) = (kernels.before.path()?, kernels.after.path()?);
    ensure!(
        first == second || before != after,
        "both kernels say they are {before}, though {} and {} are two images",
        first.display(),
        second.display()
    );
    Ok(())
}

/// Live update is off by default, and userspace may write to the log only so often.
pub(crate) fn with_live_update(boot: Boot, cmdline: &[String]) -> Boot {
    let boot = boot
        .cmdline("kho=on")
        .cmdline("liveupdate=on")
        .cmdline("printk.devkmsg=on");
    cmdline
        .iter()
        .fold(boot, |boot, argument| boot.cmdline(argument))
}

/// Adds what the kernel must find to know of all devices.
fn with_files(root: Initramfs, devices: Option<&Devices>) -> Initramfs {
    let files = devices.into_iter().flat_map(Devices::files);
    files.fold(root, |root, (path, content)| root.data(path, content))
}

fn with_devices(boot: Boot, devices: Option<&Devices>) -> Boot {
    match devices {
        Some(devices) => boot
            .qemu_args(devices.qemu_args())
            .cmdline(devices.cmdline()),
        None => boot,
    }
}

fn with_deadline(boot: Boot, deadline: Option<Duration>) -> Boot {
    match deadline {
        Some(deadline) => boot.deadline(deadline),
        None => boot,
    }
}

fn with_counting(boot: Boot, counts_instructions: bool) -> Boot {
    if counts_instructions {
        boot.count_instructions()
    } else {
        boot
    }
}

fn must_show(lines: &[String], texts: &[String], when: &str) -> Result<()> {
    for text in texts {
        ensure!(
            lines.iter().any(|line| line.contains(text)),
            "the console of the kernel {when} the live update does not show {text:?}"
        );
    }
    Ok(())
}

pub(crate) fn check_ktap(lines: &[String], count: Option<usize>) -> Result<()> {
    match count {
        None => Ok(()),
        Some(count) => Ktap::parse(lines.iter().map(String::as_str)).require_all_passed(count),
    }
}

/// Makes one test for each [`crate::Direction`], in a module of the given name.
#[macro_export]
macro_rules! in_all_directions {
    ($name:ident, $run:expr) => {
        mod $name {
            use super::*;

            fn run(direction: $crate::Direction) -> $crate::TestResult {
                let run: fn($crate::Direction) -> anyhow::Result<()> = $run;
                Ok(run(direction)?)
            }

            #[test]
            fn rust_to_rust() -> $crate::TestResult {
                run($crate::Direction::RustToRust)
            }

            #[test]
            fn mainline_to_rust() -> $crate::TestResult {
                run($crate::Direction::MainlineToRust)
            }

            #[test]
            fn rust_to_mainline() -> $crate::TestResult {
                run($crate::Direction::RustToMainline)
            }

            #[test]
            fn mainline_to_mainline() -> $crate::TestResult {
                run($crate::Direction::MainlineToMainline)
            }
        }
    };
}
