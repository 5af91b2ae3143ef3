// SPDX-License-Identifier: GPL-2.0

//! What a kernel has, found out by booting it.
//!
//! `selftests/liveupdate/kernel_facts.c` looks, and prints a line for each. So it does not matter whose
//! the kernel is, and whether its configuration is known.

use std::collections::BTreeSet;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use lu_vm::Kernel;
use lu_vm::Program;
use lu_vm::SingleKernel;

use crate::kernels::is_built_from_here;

/// What the program prints before the name of a fact.
const MARK: &str = "# fact: ";

/// Something that a kernel may have or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// `/dev/liveupdate`, without which there is nothing to qualify.
    Luo,
    /// This repository's implementation, told by its boot parameter.
    Ours,
    /// Swap space.
    Swap,
    /// Large folios in memfds.
    Thp,
    /// Memory cgroups.
    Memcg,
    /// More than one node, if the machine has them.
    Numa,
    /// `/proc/thread-self/fail-nth`.
    FailNth,
    /// The address of `machine_kexec` in `/proc/kallsyms`.
    Symbols,
    /// `CONFIG_TEST_KHO`.
    TestKho,
    /// `CONFIG_LIVEUPDATE_TEST`.
    TestLuo,
    /// `CONFIG_LIVEUPDATE_KUNIT_TEST`, which only this repository has.
    Kunit,
    /// A symbol table beside the image.
    SymbolMap,
    /// It runs on x86.
    X86,
    /// What KHO hands over, as files in debugfs.
    KhoFiles,
    /// No debugging aids that take much of a small machine's memory.
    Lean,
    /// Huge pages of hugetlbfs.
    HugePages,
    /// `/proc/PID/pagemap`.
    Pagemap,
}

impl Fact {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Luo,
        Self::Ours,
        Self::Swap,
        Self::Thp,
        Self::Memcg,
        Self::Numa,
        Self::FailNth,
        Self::Symbols,
        Self::TestKho,
        Self::TestLuo,
        Self::Kunit,
        Self::SymbolMap,
        Self::X86,
        Self::KhoFiles,
        Self::Lean,
        Self::HugePages,
        Self::Pagemap,
    ];

    /// What the program calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Luo => "luo",
            Self::Ours => "ours",
            Self::Swap => "swap",
            Self::Thp => "thp",
            Self::Memcg => "memcg",
            Self::Numa => "numa",
            Self::FailNth => "fail-nth",
            Self::Symbols => "symbols",
            Self::TestKho => "test-kho",
            Self::TestLuo => "test-luo",
            Self::Kunit => "kunit",
            Self::SymbolMap => "symbol-map",
            Self::X86 => "x86",
            Self::KhoFiles => "kho-files",
            Self::Lean => "lean",
            Self::HugePages => "huge-pages",
            Self::Pagemap => "pagemap",
        }
    }

    /// The same for people, as what a kernel "has".
    pub fn about(self) -> &'static str {
        match self {
            Self::Luo => "LUO (CONFIG_LIVEUPDATE)",
            Self::Ours => "this repository's implementation",
            Self::Swap => {
                "swap, and a RAM disk of 64 MiB to swap to (CONFIG_SWAP, CONFIG_BLK_DEV_RAM)"
            }
            Self::Thp => "large folios in memfds (CONFIG_TRANSPARENT_HUGEPAGE)",
            Self::Memcg => "memory cgroups (CONFIG_MEMCG)",
            Self::Numa => "NUMA (CONFIG_NUMA)",
            Self::FailNth => {
                "fault injection (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, CONFIG_FAULT_INJECTION_DEBUG_FS)"
            }
            Self::Symbols => "symbols in /proc/kallsyms (CONFIG_KALLSYMS)",
            Self::TestKho => "the kernel's own test of KHO (CONFIG_TEST_KHO)",
            Self::TestLuo => "the kernel's own test of LUO (CONFIG_LIVEUPDATE_TEST)",
            Self::Kunit => "KUnit suites of live update (CONFIG_LIVEUPDATE_KUNIT_TEST)",
            Self::SymbolMap => "a System.map beside its image",
            Self::X86 => "an x86 machine to run on",
            Self::KhoFiles => "KHO's files in debugfs (CONFIG_KEXEC_HANDOVER_DEBUGFS)",
            Self::Pagemap => "the pages of a process in /proc (CONFIG_PROC_PAGE_MONITOR)",
            Self::HugePages => "huge pages (CONFIG_HUGETLBFS)",
            Self::Lean => {
                "the size and speed of ordinary kernels: KASAN and kmemleak cost memory and time of their own"
            }
        }
    }
}

/// What each kernel has that is built here, for any architecture.
const BUILT_WITH: [Fact; 12] = [
    Fact::Numa,
    Fact::Swap,
    Fact::Thp,
    Fact::Memcg,
    Fact::Symbols,
    Fact::TestKho,
    Fact::TestLuo,
    Fact::SymbolMap,
    Fact::KhoFiles,
    Fact::HugePages,
    Fact::Pagemap,
    Fact::Luo,
];

/// What is known of a kernel.
#[derive(Clone, Debug)]
pub struct Facts {
    release: String,
    present: BTreeSet<Fact>,
}

impl Facts {
    /// Boots `kernel` and has it looked at.
    pub fn of(kernel: &Kernel) -> Result<Self> {
        let seen = SingleKernel::new(
            "kernel_facts",
            kernel.clone(),
            Program::ours("kernel_facts"),
        )
        .cmdline("liveupdate_memfd=compatible")
        // One suite, to see whether there are any.
        .cmdline("kunit.enable=1 kunit.filter_glob=liveupdate_kho")
        .shows("# that is all")
        .run()
        .with_context(|| format!("finding out what {kernel} has"))?;
        let named = |name: &str| Fact::ALL.into_iter().find(|fact| fact.name() == name);
        let lines = seen.lines().iter();
        let names = lines.filter_map(|line| line.split_once(MARK).map(|(_, name)| name.trim()));
        let mut present: BTreeSet<Fact> = names.filter_map(named).collect();
        let said = |text: &str| seen.lines().iter().any(|line| line.contains(text));
        if kernel.symbol_map().is_ok() {
            present.insert(Fact::SymbolMap);
        }
        if said("liveupdate test:") || said("liveupdate-test-flb") {
            present.insert(Fact::TestLuo);
        }
        ensure!(
            present.contains(&Fact::Luo),
            "{kernel} has no /dev/liveupdate, even with kho=on liveupdate=on: it cannot be updated from or to"
        );
        Ok(Self {
            release: seen.releases().first().copied().unwrap_or("?").to_owned(),
            present,
        })
    }

    /// Sees that a kernel that is built here has what its configuration says. What it had lost would be
    /// not applicable, or a known failure of somebody else's.
    pub fn check(&self, kernel: &Kernel) -> Result<()> {
        let Kernel::Built(_) = kernel else {
            return Ok(());
        };
        let own = is_built_from_here(kernel);
        let own_facts = [Fact::Ours, Fact::Kunit].into_iter().filter(|_| own);
        // What makes a kernel slow comes with what makes allocations fail.
        let debug_facts = [Fact::FailNth]
            .into_iter()
            .filter(|_| !self.has(Fact::Lean));
        let missing = BUILT_WITH
            .into_iter()
            .chain(own_facts)
            .chain(debug_facts)
            .find(|fact| !self.has(*fact));
        if let Some(fact) = missing {
            bail!("{kernel} is built here and should have {}", fact.about());
        }
        ensure!(
            own || !self.is_ours(),
            "{kernel} should not be this repository's implementation"
        );
        Ok(())
    }

    /// Whether it has that.
    pub fn has(&self, fact: Fact) -> bool {
        self.present.contains(&fact)
    }

    /// Whether it is this repository's.
    pub fn is_ours(&self) -> bool {
        self.has(Fact::Ours)
    }

    /// What it calls itself.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// All that it has.
    pub fn present(&self) -> impl Iterator<Item = Fact> {
        self.present.iter().copied()
    }

    /// For tests of who needs what.
    #[cfg(test)]
    pub(crate) fn with(facts: &[Fact]) -> Self {
        Self {
            release: "7.3".to_owned(),
            present: facts.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Need;
    use crate::scenario::Scenario;
    use crate::scenario::Side;
    use crate::scenario::Signs;

    #[test]
    fn what_a_kernel_lacks_is_said() {
        const NEEDS: &[Need] = &[Need::before(Fact::Swap), Need::both(Fact::Thp)];
        let scenario = Scenario::update("", "", |_| Ok(())).needs(NEEDS);
        let all = Facts::with(&[Fact::Swap, Fact::Thp]);
        let some = Facts::with(&[Fact::Thp]);
        let none = Facts::with(&[]);
        assert_eq!(scenario.not_applicable(&all, &some), None);
        let why = |before, after| scenario.not_applicable(before, after).unwrap_or_default();
        assert!(why(&some, &all).starts_with("the kernel before does not have swap"));
        assert!(why(&all, &none).starts_with("the kernel after does not have large"));
    }

    #[test]
    fn only_other_kernels_are_expected_to_fail() {
        let (ours, other) = (Facts::with(&[Fact::Ours]), Facts::with(&[]));
        let plain = || Scenario::update("name", "about", |_| Ok(()));
        assert_eq!(plain().expected_failure(&other, &other), None);
        let fails = plain().peer_fails(Side::After, "why", Signs::Any);
        let expected = fails.expected_failure(&ours, &other);
        assert!(expected.is_some_and(|known| known.why == "why" && known.after_jump));
        assert_eq!(fails.expected_failure(&other, &ours), None);
        let together = plain().peer_fails(Side::Both, "why", Signs::Any);
        assert_eq!(together.expected_failure(&ours, &other), None);
        assert_eq!(together.expected_failure(&other, &ours), None);
        assert!(together.expected_failure(&other, &other).is_some());
    }
}
