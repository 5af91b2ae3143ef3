// SPDX-License-Identifier: GPL-2.0

//! One run of QEMU.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;

use crate::arch::Arch;
use crate::console::Console;
use crate::console::Event;
use crate::console::Transcript;
use crate::failure::GuestFailure;
use crate::initramfs::Initramfs;
use crate::places;
use crate::places::Turn;
use crate::splat::Splats;

/// How long a guest may take from power on to power off, unless a test says otherwise. Two boots
/// take 8 seconds on an idle machine; the rest is for one that is busy building kernels.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(180);

/// How much longer a guest may talk after its first complaint, so that the backtrace is seen.
const AFTER_SPLAT: Duration = Duration::from_secs(5);

/// How a guest is to be started.
pub struct Boot {
    name: String,
    arch: Arch,
    kernel: PathBuf,
    initramfs: Initramfs,
    memory_mib: Option<u32>,
    cpus: u32,
    cmdline: Vec<String>,
    qemu_args: Vec<String>,
    deadline: Duration,
    splats: Splats,
}

impl Boot {
    /// A guest with two processors and [`places::memory_mib`] that boots `kernel`. Its logs go to a directory of
    /// that `name`.
    pub fn new(name: &str, arch: Arch, kernel: &Path, initramfs: Initramfs) -> Self {
        Self {
            name: name.to_owned(),
            arch,
            kernel: kernel.to_path_buf(),
            initramfs,
            memory_mib: None,
            cpus: 2,
            cmdline: [arch.cmdline().to_owned(), "panic=-1".to_owned()]
                .into_iter()
                .chain(places::cmdline())
                .chain(patience())
                .collect(),
            qemu_args: Vec::new(),
            deadline: DEFAULT_DEADLINE,
            splats: Splats::none_allowed(),
        }
    }

    /// The size of memory.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = Some(mib);
        self
    }

    /// The number of processors.
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// Adds to the kernel's command line.
    pub fn cmdline(mut self, argument: &str) -> Self {
        self.cmdline.push(argument.to_owned());
        self
    }

    /// Adds arguments for QEMU: devices, another machine.
    pub fn qemu_args<I, S>(mut self, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        self.qemu_args.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Makes guest time count instructions, with one processor: figures repeat to the last digit.
    pub fn count_instructions(self) -> Self {
        self.cpus(1).qemu_args(["-icount", "shift=0,sleep=off"])
    }

    /// Lets a [`crate::Debugger`] connect to a UNIX socket at `socket`, at any time.
    pub fn debugger(self, socket: &Path) -> Self {
        let device = format!("unix:{},server=on,wait=off", socket.display());
        self.qemu_args(["-gdb".to_owned(), device])
    }

    /// How long the guest may take until it is powered off.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Which complaints of the kernel are fine.
    pub fn splats(mut self, splats: Splats) -> Self {
        self.splats = splats;
        self
    }

    /// Waits for its turn and starts QEMU.
    pub fn start(self) -> Result<Vm> {
        let dir = places::log_dir(&self.name)?;
        let initrd = dir.join("initramfs.cpio");
        fs::write(&initrd, self.initramfs.build()?)
            .with_context(|| format!("writing {}", initrd.display()))?;
        let errors = dir.join("qemu.log");
        let stderr =
            File::create(&errors).with_context(|| format!("creating {}", errors.display()))?;

        let memory_mib = match self.memory_mib {
            Some(mib) => mib,
            None => places::memory_mib()?,
        };
        // setpriv makes the kernel end QEMU should this process die without unwinding.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", self.arch.qemu()])
            .args(self.arch.machine())
            .args([
                "-accel",
                "tcg",
                "-no-reboot",
                "-nodefaults",
                "-display",
                "none",
            ])
            .args([
                "-chardev",
                "stdio,id=console,signal=off",
                "-serial",
                "chardev:console",
            ])
            .args([
                "-m",
                &format!("{memory_mib}M"),
                "-smp",
                &self.cpus.to_string(),
            ])
            .args(&self.qemu_args)
            .args(["-append", &self.cmdline.join(" ")])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&initrd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        fs::write(dir.join("command"), format!("{command:?}\n"))
            .with_context(|| format!("writing to {}", dir.display()))?;

        let turn = Turn::wait(memory_mib)?;
        let mut child = command.spawn().with_context(|| {
            format!(
                "starting {} by setpriv; `make test` installs both (packages qemu-system and util-linux)",
                self.arch.qemu()
            )
        })?;
        let stdout = child.stdout.take().context("QEMU has no standard output")?;
        let qemu = Qemu { child, _turn: turn };
        let console = Console::follow(stdout, &dir.join("console.log"), self.splats)?;
        Ok(Vm {
            name: self.name,
            qemu,
            console,
            errors,
            started: Instant::now(),
            deadline: self.deadline * places::patience()?,
        })
    }
}

/// What programs in the guest are told of a machine that is slow.
fn patience() -> Option<String> {
    let times = places::patience().ok().filter(|times| *times > 1)?;
    Some(format!("lu_patience={times}"))
}

/// The process, which does not outlive this.
struct Qemu {
    child: Child,
    _turn: Turn,
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have ended by itself, then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running guest. Dropping it ends it.
pub struct Vm {
    name: String,
    qemu: Qemu,
    console: Console,
    errors: PathBuf,
    started: Instant,
    deadline: Duration,
}

impl Vm {
    /// Waits for a line with `text` in it.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        self.wait_until(text, self.started + self.deadline)
    }

    /// Waits so long and no longer for a line with `text` in it, on a machine of usual speed.
    pub fn wait_for_within(&mut self, text: &str, time: Duration) -> Result<String> {
        let time = time * places::patience()?;
        let deadline = (Instant::now() + time).min(self.started + self.deadline);
        self.wait_until(text, deadline)
    }

    fn wait_until(&mut self, text: &str, deadline: Instant) -> Result<String> {
        let started = Instant::now();
        loop {
            match self.console.next(deadline) {
                Event::Line(line) if line.contains(text) => return Ok(line),
                Event::Line(_) => self.fail_on_splat()?,
                Event::End => return Err(self.gone(text)),
                Event::Timeout => {
                    return Err(self.late(&format!("{text:?} did not appear"), started));
                }
            }
        }
    }

    /// Types a line on the console.
    pub fn type_line(&mut self, text: &str) -> Result<()> {
        let stdin = self
            .qemu
            .child
            .stdin
            .as_mut()
            .context("QEMU has no standard input")?;
        stdin
            .write_all(format!("{text}\n").as_bytes())
            .with_context(|| format!("{}: typing {text:?} on the console", self.name))
    }

    /// Waits until the guest powers off or reboots, and gives all it has said.
    pub fn finish(mut self) -> Result<Transcript> {
        let deadline = self.started + self.deadline;
        loop {
            match self.console.next(deadline) {
                Event::Line(_) => self.fail_on_splat()?,
                Event::End => break,
                Event::Timeout => {
                    return Err(self.late("the guest did not power off", self.started));
                }
            }
        }
        // A complaint may have been the last line, or one that wait_for() gave away.
        self.fail_on_splat()?;
        let status = self.qemu.child.wait().context("waiting for QEMU")?;
        if !status.success() {
            return Err(self.failure(&format!("QEMU ended with {status}")));
        }
        Ok(self.console.into_transcript())
    }

    /// A complaint fails the test, once the rest of it was heard.
    fn fail_on_splat(&mut self) -> Result<()> {
        let Some(splat) = self.console.seen().splats().first().cloned() else {
            return Ok(());
        };
        let deadline = (Instant::now() + AFTER_SPLAT).min(self.started + self.deadline);
        while let Event::Line(_) = self.console.next(deadline) {}
        let what = format!(
            "the kernel complains ({}): {}",
            splat.why,
            splat.line.trim()
        );
        Err(self.failure(&what))
    }

    /// Puts what the guest has said to an error of who dealt with it, a debugger's above all. A complaint of
    /// the kernel explains the error, and comes instead.
    pub fn explain(mut self, error: anyhow::Error) -> anyhow::Error {
        if error.is::<GuestFailure>() {
            return error;
        }
        let deadline = Instant::now() + AFTER_SPLAT;
        while let Event::Line(_) = self.console.next(deadline) {}
        match self.fail_on_splat() {
            Ok(()) => anyhow::anyhow!("{}: {error:#}\n{}", self.name, self.tail()),
            Err(splat) => splat,
        }
    }

    fn gone(&self, text: &str) -> anyhow::Error {
        self.failure(&format!("the guest ended before {text:?} appeared"))
    }

    /// A failure of the guest, with what it said.
    pub fn failure(&self, what: &str) -> anyhow::Error {
        let text = format!("{}: {what}\n{}", self.name, self.tail());
        GuestFailure::new(text, self.console.seen().has_jumped()).into()
    }

    fn late(&self, what: &str, since: Instant) -> anyhow::Error {
        let seconds = since.elapsed().as_secs();
        let text = format!("{}: {what} within {seconds} s\n{}", self.name, self.tail());
        GuestFailure::late(text, self.console.seen().has_jumped()).into()
    }

    fn tail(&self) -> String {
        let mut text = self.console.seen().tail();
        let errors = fs::read_to_string(&self.errors).unwrap_or_default();
        if !errors.is_empty() {
            text.push_str(&format!(
                "QEMU itself says ({}):\n{errors}",
                self.errors.display()
            ));
        }
        text
    }
}
