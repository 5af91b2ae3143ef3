// SPDX-License-Identifier: GPL-2.0

//! What must never appear on a console.

/// One thing that the kernel says when something is wrong.
struct Pattern {
    text: &'static str,
    why: &'static str,
}

const fn pattern(text: &'static str, why: &'static str) -> Pattern {
    Pattern { text, why }
}

/// The patterns are looked for anywhere in a line, case matters: programs print "Warning:", the
/// kernel prints "WARNING:". The first that fits names the finding, so the telling ones come first.
const PATTERNS: &[Pattern] = &[
    pattern("Kernel panic", "the kernel gave up"),
    pattern("KASAN:", "memory used after free or out of bounds"),
    pattern("KFENCE:", "memory used after free or out of bounds"),
    pattern("KCSAN:", "a data race"),
    pattern("KMSAN:", "uninitialised memory used"),
    pattern("UBSAN:", "undefined behaviour"),
    pattern("suspected memory leaks", "memory leaked"),
    pattern("unreferenced object 0x", "memory leaked"),
    pattern("leak detector disabled", "nobody looks for leaks any more"),
    pattern("ODEBUG:", "an object used in the wrong state"),
    pattern("possible circular locking", "locks taken in two orders"),
    pattern("possible recursive locking", "a lock taken twice"),
    pattern(
        "possible irq lock inversion",
        "a lock shared with an interrupt",
    ),
    pattern("inconsistent lock state", "a lock shared with an interrupt"),
    pattern("bad unlock balance", "a lock given back that was not held"),
    pattern("held lock freed", "memory of a held lock freed"),
    pattern("still held", "a lock kept on the way back to userspace"),
    pattern("suspicious RCU usage", "RCU read without its lock"),
    pattern("suspicious rcu_dereference", "RCU read without its lock"),
    pattern("detected stall", "a CPU does not get on"),
    pattern("self-detected stall", "a CPU does not get on"),
    pattern("detected expedited stall", "a CPU does not get on"),
    pattern("soft lockup", "a CPU does not get on"),
    pattern("hard LOCKUP", "a CPU does not get on"),
    pattern("blocked for more than", "a task waits for ever"),
    pattern("scheduling while atomic", "sleeping where one must not"),
    pattern(
        "sleeping function called from invalid context",
        "sleeping where one must not",
    ),
    pattern("list_add corruption", "a linked list is damaged"),
    pattern("list_del corruption", "a linked list is damaged"),
    pattern("refcount_t:", "a reference count is wrong"),
    pattern("Bad page state", "a page freed in use"),
    pattern("pagealloc:", "free memory was written to"),
    pattern("Bad page map", "a page table entry is wrong"),
    pattern("Bad rss-counter", "a process's pages are counted wrongly"),
    pattern("double free", "memory freed twice"),
    pattern("general protection fault", "a wild pointer"),
    pattern("unable to handle", "a wild pointer"),
    pattern("Unable to handle", "a wild pointer"),
    pattern("Internal error:", "arm64's word for an oops"),
    pattern("stack guard page was hit", "the stack is used up"),
    pattern("invalid opcode:", "BUG() or a jump into nothing"),
    pattern("kernel BUG at", "BUG()"),
    pattern("panicked at", "a panic in Rust"),
    pattern("Oops", "the kernel faulted"),
    pattern("BUG:", "the kernel found itself broken"),
    pattern("WARNING:", "WARN_ON() hit"),
    pattern("INFO: task", "a task waits for ever"),
    pattern("Out of memory", "the guest ran out of memory"),
    pattern("invoked oom-killer", "the guest ran out of memory"),
    pattern("Call Trace:", "some complaint with a backtrace"),
    pattern(
        "Call trace:",
        "some complaint with a backtrace, as arm64 spells it",
    ),
    pattern("---[ cut here ]---", "some complaint with a backtrace"),
    pattern("---[ end trace", "some complaint with a backtrace"),
];

/// A line that must not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splat {
    /// The line.
    pub line: String,
    /// What it means.
    pub why: &'static str,
}

/// Which complaints fail a test: all of them, but for those that the test is about.
#[derive(Clone, Debug, Default)]
pub struct Splats {
    allowed: Vec<String>,
    end: Option<String>,
}

impl Splats {
    /// Every complaint fails the test.
    pub fn none_allowed() -> Self {
        Self::default()
    }

    /// Lets a backtrace pass that has nothing else to complain of, whatever the architecture calls it.
    pub fn allow_backtraces(self) -> Self {
        self.allow("Call Trace:").allow("Call trace:")
    }

    /// Lets lines with `text` in them pass; for tests that provoke a complaint.
    pub fn allow(mut self, text: &str) -> Self {
        self.allowed.push(text.to_owned());
        self
    }

    /// Nothing counts from the line with `text` in it on; for guests that end with a panic.
    pub fn ends_at(mut self, text: &str) -> Self {
        self.end = Some(text.to_owned());
        self
    }

    /// Whether the line is the one from which on nothing counts.
    pub fn is_end(&self, line: &str) -> bool {
        self.end
            .as_ref()
            .is_some_and(|end| line.contains(end.as_str()))
    }

    /// Looks at one line of the console.
    pub fn check(&self, line: &str) -> Option<Splat> {
        if self.allowed.iter().any(|allowed| line.contains(allowed)) {
            return None;
        }
        PATTERNS
            .iter()
            .find(|pattern| line.contains(pattern.text))
            .map(|pattern| Splat {
                line: line.to_owned(),
                why: pattern.why,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of real kernels, and whether they must fail a test.
    const LINES: &[(&str, bool)] = &[
        (
            "[    0.1] Kernel panic - not syncing: The incoming tree failed",
            true,
        ),
        (
            "[    1.0] WARNING: CPU: 0 PID: 1 at mm/page_alloc.c:5000 foo+0x1/0x2",
            true,
        ),
        (
            "[    1.0] WARNING: mm/slub.c:5000 at foo+0x1/0x2, CPU#0: swapper/0",
            true,
        ),
        (
            "[    1.0] WARNING: possible circular locking dependency detected",
            true,
        ),
        (
            "[    1.0] WARNING: possible recursive locking detected",
            true,
        ),
        (
            "[    1.0] BUG: KASAN: slab-use-after-free in luo_session_release+0x10",
            true,
        ),
        ("[    1.0] BUG: KFENCE: out-of-bounds read in foo", true),
        (
            "[    1.0] UBSAN: array-index-out-of-bounds in kernel/x.c:1:2",
            true,
        ),
        (
            "[    1.0] BUG: unable to handle page fault for address: ffff",
            true,
        ),
        (
            "[    1.0] BUG: kernel NULL pointer dereference, address: 0",
            true,
        ),
        ("[    1.0] Oops: Oops: 0000 [#1] SMP", true),
        (
            "[    1.0] Oops: general protection fault, probably for non-canonical address",
            true,
        ),
        (
            "[    1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            true,
        ),
        (
            "[    1.0] rcu: INFO: rcu_sched self-detected stall on CPU",
            true,
        ),
        (
            "[    1.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
            true,
        ),
        (
            "[    1.0] list_add corruption. prev->next should be next",
            true,
        ),
        (
            "[    1.0] list_del corruption, ffff->next is LIST_POISON1",
            true,
        ),
        (
            "[    1.0] BUG: scheduling while atomic: init/1/0x00000002",
            true,
        ),
        (
            "[    1.0] BUG: sleeping function called from invalid context at x.c:1",
            true,
        ),
        (
            "[    1.0] BUG: Bad page state in process init  pfn:12345",
            true,
        ),
        ("[    1.0] Call Trace:", true),
        (
            "[    1.0] Unable to handle kernel paging request at virtual address 0",
            true,
        ),
        (
            "[    1.0] Internal error: Oops: 0000000096000004 [#1]  SMP",
            true,
        ),
        (
            "[    1.0] rust_kernel: panicked at kernel/liveupdate/rust/x.rs:1:2:",
            true,
        ),
        (
            "[    1.0] kernel BUG at kernel/liveupdate/luo_file.c:1!",
            true,
        ),
        ("[    1.0] refcount_t: underflow; use-after-free.", true),
        (
            "[    1.0] INFO: task init:1 blocked for more than 120 seconds.",
            true,
        ),
        ("[    1.0] kmemleak: 3 new suspected memory leaks", true),
        (
            "[    1.0] unreferenced object 0xffff8880041fe000 (size 512):",
            true,
        ),
        ("[    1.0] test invoked oom-killer: gfp_mask=0x140cca", true),
        (
            "[    1.0] kmemleak: Kernel memory leak detector disabled",
            true,
        ),
        // Harmless, though close to a pattern.
        ("INIT: Warning: Failed to mount devtmpfs", false),
        (
            "[    0.0] Linux version 7.3.4-mainline-a (x@y) #1 SMP PREEMPT",
            false,
        ),
        ("[    0.0] debug: ignoring loglevel setting.", false),
        (
            "[    1.0] kmemleak: Kernel memory leak detector initialized (mem pool available: 14428)",
            false,
        ),
        ("[    0.0] rcu: Hierarchical RCU implementation.", false),
        (
            "[    0.0] mem auto-init: stack:off, heap alloc:off, heap free:off",
            false,
        ),
        ("# [STAGE 1] You may now perform kexec reboot.", false),
        ("ok 3 debug_file_is_busy", false),
    ];

    #[test]
    fn complaints_are_found_and_chatter_is_not() {
        let splats = Splats::none_allowed();
        for (line, bad) in LINES {
            assert_eq!(splats.check(line).is_some(), *bad, "{line}");
        }
    }

    #[test]
    fn the_telling_pattern_names_the_finding() {
        let splats = Splats::none_allowed();
        let found = splats
            .check("BUG: KASAN: slab-use-after-free in foo")
            .unwrap();
        assert_eq!(found.why, "memory used after free or out of bounds");
    }

    #[test]
    fn a_test_may_allow_what_it_provokes_and_nothing_else() {
        let splats = Splats::none_allowed().allow("Kernel panic - not syncing: liveupdate:");
        assert!(
            splats
                .check("Kernel panic - not syncing: liveupdate: bad state")
                .is_none()
        );
        assert!(
            splats
                .check("Kernel panic - not syncing: Attempted to kill init!")
                .is_some()
        );
    }

    #[test]
    fn no_pattern_is_empty() {
        assert!(PATTERNS.iter().all(|pattern| !pattern.text.is_empty()));
    }
}
