// SPDX-License-Identifier: GPL-2.0

//! The processor's time stamp counter.

use std::thread;
use std::time::Duration;

use rustix::time::ClockId;
use rustix::time::clock_gettime;

use crate::mark::Mark;

/// Reads the counter.
///
/// In a guest that counts instructions, it advances by one with each of them. It is read in order
/// with system calls, before and after which the compiler moves nothing; QEMU executes one
/// instruction after the other, so no fence is needed.
#[cfg(target_arch = "x86_64")]
#[must_use]
#[expect(unsafe_code, reason = "the intrinsic is an unsafe function")]
pub fn now() -> u64 {
    // SAFETY: The instruction only reads a counter, which every x86_64 processor has. Linux leaves it
    // readable to user space.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Counts nothing: guests run on x86_64 only.
#[cfg(not(target_arch = "x86_64"))]
#[must_use]
pub fn now() -> u64 {
    0
}

/// Adds up what calls take.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    /// The sum, in ticks.
    pub ticks: u64,
    what: Mark,
}

impl Timer {
    /// Times calls that are `what`. It begins at nothing, and at a quiet moment: just after the kernel's own periodic work, which so does not
    /// fall into a short call, and with what earlier calls left to be done later done.
    #[must_use]
    pub fn new(what: Mark) -> Self {
        settle();
        Self { ticks: 0, what }
    }

    /// Makes a call.
    pub fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        self.what.say();
        let start = now();
        let result = call();
        self.ticks += now() - start;
        Mark::Own.say();
        result
    }
}

/// Waits until nothing is left to be done in the background, and then for the next timer interrupt.
pub fn settle() {
    /// Some grace periods of RCU.
    const GRACE: Duration = Duration::from_millis(50);
    thread::sleep(GRACE);
    // This clock changes with the interrupt.
    let coarse = || clock_gettime(ClockId::MonotonicCoarse);
    let before = coarse();
    while coarse() == before {}
}
