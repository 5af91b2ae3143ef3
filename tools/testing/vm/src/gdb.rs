// SPDX-License-Identifier: GPL-2.0

//! As much of the GDB remote protocol as it takes to stop a guest and change its memory.
//!
//! See "GDB Remote Serial Protocol" in GDB's manual, and "GDB usage" in QEMU's for the packet that switches
//! to physical addresses.

use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::arch::Arch;

/// How long QEMU may take to answer; all but waiting for a breakpoint is immediate.
const ANSWER: Duration = Duration::from_secs(30);

/// Bytes of memory per packet: QEMU's packets hold 4096 characters, two for each byte.
const CHUNK: usize = 1024;

/// Bytes of a register.
const REGISTER: usize = 8;

/// A connection to QEMU's debugger stub. The guest stands still from connecting to continuing.
pub struct Debugger {
    stream: UnixStream,
    arch: Arch,
}

impl Debugger {
    /// Connects to the socket given to [`crate::Boot::debugger`], which stops the guest.
    pub fn connect(socket: &Path, arch: Arch) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("connecting to QEMU's debugger at {}", socket.display()))?;
        stream
            .set_read_timeout(Some(ANSWER))
            .context("setting a deadline for the debugger")?;
        let mut debugger = Self { stream, arch };
        // Asks why the guest stands: there is an answer only once it does.
        debugger.send("?")?;
        let reason = debugger.receive().context("asking why the guest stands")?;
        ensure!(
            is_stop(&reason),
            "the debugger says {reason:?} instead of why the guest stands"
        );
        Ok(debugger)
    }

    /// Sets a breakpoint at a virtual address.
    pub fn break_at(&mut self, address: u64) -> Result<()> {
        self.demand(&format!("Z1,{address:x},1"))
    }

    /// Executes the instruction at which a breakpoint stands, and stops again.
    pub fn step_over(&mut self, address: u64) -> Result<()> {
        self.demand(&format!("z1,{address:x},1"))?;
        self.send("s")?;
        self.wait_for_stop(ANSWER)?;
        self.break_at(address)
    }

    /// Has the function at whose start the guest stands return `value` at once.
    pub fn return_from_function(&mut self, value: u64) -> Result<()> {
        // QEMU takes single registers only from those who have asked which there are.
        self.ask("qXfer:features:read:target.xml:0,ff")?;
        match self.arch {
            Arch::X86_64 => {
                const RAX: usize = 0;
                const RSP: usize = 7;
                const RIP: usize = 16;
                let stack = self.register(RSP)?;
                let caller = self.read_virtual(stack, REGISTER)?;
                self.set_register(RIP, u64::from_le_bytes(caller.as_slice().try_into()?))?;
                self.set_register(RSP, stack + REGISTER as u64)?;
                self.set_register(RAX, value)
            }
            Arch::Arm64 => {
                const LR: usize = 30;
                const PC: usize = 32;
                let caller = self.register(LR)?;
                self.set_register(PC, caller)?;
                self.set_register(0, value)
            }
        }
    }

    /// Lets the guest run. Nothing but [`Self::wait_for_stop`] may follow.
    pub fn go_on(&mut self) -> Result<()> {
        self.send("c")
    }

    /// Waits until the guest stands at a breakpoint.
    pub fn wait_for_stop(&mut self, within: Duration) -> Result<()> {
        self.stream
            .set_read_timeout(Some(within))
            .context("setting a deadline for the debugger")?;
        let reason = self.receive().context("waiting for the breakpoint")?;
        self.stream
            .set_read_timeout(Some(ANSWER))
            .context("setting a deadline for the debugger")?;
        ensure!(
            is_stop(&reason),
            "the debugger says {reason:?} instead of a stop"
        );
        Ok(())
    }

    /// The first argument of the function at whose start the guest stands.
    pub fn first_argument(&mut self) -> Result<u64> {
        let index = match self.arch {
            Arch::X86_64 => 5, // rdi follows rax, rbx, rcx, rdx and rsi
            Arch::Arm64 => 0,
        };
        self.register(index)
    }

    fn register(&mut self, index: usize) -> Result<u64> {
        let registers = unhex(&self.ask("g")?)?;
        let bytes = registers
            .get(index * REGISTER..(index + 1) * REGISTER)
            .context("the debugger gives too few registers")?;
        Ok(u64::from_le_bytes(bytes.try_into()?))
    }

    fn set_register(&mut self, index: usize, value: u64) -> Result<()> {
        self.demand(&format!("P{index:x}={}", hex(&value.to_le_bytes())))
    }

    /// Reads memory at a virtual address of the kernel.
    pub fn read_virtual(&mut self, address: u64, length: usize) -> Result<Vec<u8>> {
        self.physical_mode(false)?;
        self.read(address, length)
    }

    /// Reads memory at a physical address.
    pub fn read_physical(&mut self, address: u64, length: usize) -> Result<Vec<u8>> {
        self.physical_mode(true)?;
        self.read(address, length)
    }

    /// Reads a little-endian number at a physical address.
    pub fn read_physical_u64(&mut self, address: u64) -> Result<u64> {
        let bytes = self.read_physical(address, 8)?;
        Ok(u64::from_le_bytes(bytes.as_slice().try_into()?))
    }

    /// Writes a number in the processor's byte order.
    pub fn write_physical_u64(&mut self, address: u64, value: u64) -> Result<()> {
        self.write_physical(address, &value.to_le_bytes())
    }

    /// Writes memory at a physical address, and reads it back to be sure.
    pub fn write_physical(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.physical_mode(true)?;
        for (number, chunk) in bytes.chunks(CHUNK).enumerate() {
            let at = address + (number * CHUNK) as u64;
            self.demand(&format!("M{at:x},{:x}:{}", chunk.len(), hex(chunk)))?;
        }
        let found = self.read(address, bytes.len())?;
        ensure!(
            found == bytes,
            "what was written at {address:#x} is not there"
        );
        Ok(())
    }

    /// Removes the breakpoints and lets the guest run on its own.
    pub fn detach(mut self) -> Result<()> {
        self.demand("D")
    }

    fn physical_mode(&mut self, on: bool) -> Result<()> {
        self.demand(&format!("Qqemu.PhyMemMode:{}", u8::from(on)))
    }

    fn read(&mut self, address: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = address + bytes.len() as u64;
            let answer = self.ask(&format!("m{at:x},{:x}", CHUNK.min(length - bytes.len())))?;
            ensure!(
                !answer.starts_with('E'),
                "there is no memory to read at {at:#x} ({answer})"
            );
            bytes.extend(unhex(&answer)?);
        }
        Ok(bytes)
    }

    fn demand(&mut self, request: &str) -> Result<()> {
        let answer = self.ask(request)?;
        ensure!(
            answer == "OK",
            "the debugger answers {answer:?} to {request:?}"
        );
        Ok(())
    }

    /// Gives the answer to a request that does not make the guest run.
    ///
    /// QEMU reports that it stopped the guest for us, and again when asked: the second report may still
    /// be under way, and answers nothing.
    fn ask(&mut self, request: &str) -> Result<String> {
        self.send(request)?;
        loop {
            let answer = self
                .receive()
                .with_context(|| format!("waiting for the answer to {request:?}"))?;
            if !is_stop(&answer) {
                return Ok(answer);
            }
        }
    }

    fn send(&mut self, request: &str) -> Result<()> {
        let packet = format!("${request}#{:02x}", checksum(request.as_bytes()));
        self.stream
            .write_all(packet.as_bytes())
            .context("writing to QEMU's debugger")
    }

    /// Gives the content of the next packet, and acknowledges it.
    fn receive(&mut self) -> Result<String> {
        // What comes in between are acknowledgements.
        while self.byte()? != b'$' {}
        let mut content = Vec::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => content.push(byte),
            }
        }
        let sum = [self.byte()?, self.byte()?];
        let expected = format!("{:02x}", checksum(&content));
        ensure!(
            sum == expected.as_bytes(),
            "a packet of the debugger is damaged"
        );
        self.stream
            .write_all(b"+")
            .context("writing to QEMU's debugger")?;
        String::from_utf8(content).context("the debugger does not speak ASCII")
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        match self.stream.read_exact(&mut byte) {
            Ok(()) => Ok(byte[0]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("the debugger did not answer in time")
            }
            Err(error) => Err(error).context("reading from QEMU's debugger"),
        }
    }
}

fn is_stop(answer: &str) -> bool {
    answer.starts_with(['T', 'S'])
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// QEMU writes `x` for bytes of registers that it does not know; they read as zero.
fn unhex(text: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'x' => Ok(0),
        byte => char::from(byte)
            .to_digit(16)
            .map(|digit| digit as u8)
            .with_context(|| format!("{:?} is not a hexadecimal digit", char::from(byte))),
    };
    ensure!(
        text.len().is_multiple_of(2),
        "{} hexadecimal digits are no whole bytes",
        text.len()
    );
    text.as_bytes()
        .chunks(2)
        .map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    /// Plays QEMU: answers each request with the next of `answers`, gives the requests it got.
    fn talk(answers: &'static [&str]) -> (Debugger, thread::JoinHandle<Vec<String>>) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("gdb");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut peer = Debugger {
                stream,
                arch: Arch::X86_64,
            };
            let mut requests = Vec::new();
            for answer in answers {
                requests.push(peer.receive().unwrap());
                for packet in answer.split(' ') {
                    peer.send(packet).unwrap();
                    assert_eq!(peer.byte().unwrap(), b'+');
                }
            }
            requests
        });
        (Debugger::connect(&socket, Arch::X86_64).unwrap(), server)
    }

    #[test]
    fn memory_is_read_in_the_mode_that_was_asked_for() {
        let (mut debugger, server) = talk(&["T05thread:01;", "OK", "efbeadde00000000"]);
        assert_eq!(debugger.read_physical_u64(0x1000).unwrap(), 0xdead_beef);
        assert_eq!(
            server.join().unwrap(),
            ["?", "Qqemu.PhyMemMode:1", "m1000,8"]
        );
    }

    #[test]
    fn a_second_report_of_the_same_stop_answers_nothing() {
        let (mut debugger, server) = talk(&["T05thread:01;", "T05thread:01; OK"]);
        debugger.break_at(0x10).unwrap();
        assert_eq!(server.join().unwrap()[1], "Z1,10,1");
    }

    #[test]
    fn a_function_returns_to_its_caller() {
        // rsp is the eighth register, and points to 0x1122.
        const REGISTERS: &str = "0000000000000000000000000000000000000000000000000000000000000000\
            0000000000000000000000000000000000000000000000000010000000000000";
        let (mut debugger, server) = talk(&[
            "S05",
            "l",
            REGISTERS,
            "OK",
            "2211000000000000",
            "OK",
            "OK",
            "OK",
        ]);
        debugger.return_from_function(-5i64 as u64).unwrap();
        let requests = server.join().unwrap();
        assert_eq!(requests[4], "m1000,8");
        assert_eq!(
            requests[5..],
            [
                "P10=2211000000000000",
                "P7=0810000000000000",
                "P0=fbffffffffffffff"
            ]
        );
    }

    #[test]
    fn a_write_that_does_not_stick_is_noticed() {
        let (mut debugger, server) = talk(&["S05", "OK", "OK", "00ff"]);
        let error = debugger
            .write_physical(0x2000, &[1, 0xff])
            .unwrap_err()
            .to_string();
        assert!(error.contains("0x2000"), "{error}");
        assert_eq!(server.join().unwrap()[2], "M2000,2:01ff");
    }

    #[test]
    fn unreadable_memory_is_an_error_with_its_address() {
        let (mut debugger, _server) = talk(&["S05", "OK", "E14"]);
        let error = debugger
            .read_virtual(0xffff_0000, 4)
            .unwrap_err()
            .to_string();
        assert!(error.contains("0xffff0000"), "{error}");
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(unhex(&hex(&[0, 0x7f, 0xff])).unwrap(), [0, 0x7f, 0xff]);
        assert_eq!(unhex("xx01").unwrap(), [0, 1]);
        assert!(unhex("0g").is_err());
        assert!(unhex("123").is_err());
    }
}
