// SPDX-License-Identifier: GPL-2.0

//! The scenarios as tests, one for each direction, or for each kernel: `NAME::rust_to_mainline`,
//! `NAME::on_rust`.
//!
//! Those that take a kernel with more than usual are ignored unless asked for. There is no test of what
//! takes long, nor where mainline is known to fail: `make qualify` shows those.

use std::process::ExitCode;

use libtest_mimic::Arguments;
use libtest_mimic::Failed;
use libtest_mimic::Trial;
use lu_qualify::Effort;
use lu_qualify::Peer;
use lu_qualify::Run;
use lu_qualify::Side;
use lu_qualify::facts::Fact;
use lu_qualify::kernels::is_built_from_here;
use lu_qualify::runner;
use lu_qualify::runner::Job;
use lu_qualify::scenario;
use lu_vm::Arch;
use lu_vm::Direction;
use lu_vm::Pair;

/// What a kernel has in some configurations only.
const RARE: &[Fact] = &[Fact::FailNth];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Guests take turns, so that a thread more does no harm.
    arguments.test_threads.get_or_insert(2);
    let pairs = Direction::ALL.map(Pair::from);
    let jobs = runner::jobs(&scenario::all(), &pairs);
    let trials = jobs.into_iter().filter(is_fair).map(trial).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether the kernels can be expected to pass.
fn is_fair(job: &Job) -> bool {
    let before = !is_built_from_here(&job.kernels.before);
    let after = !is_built_from_here(&job.kernels.after);
    let theirs = |side: Side| side.any(before, after);
    let is_x86 = matches!(Arch::from_env(), Ok(Arch::X86_64));
    let known = matches!(job.scenario.peer, Peer::Fails(side, _, _) if side.all(before, after));
    let mut needs = job.scenario.needs.iter();
    let has_time = match job.scenario.effort {
        Effort::Quick => true,
        Effort::Slow => !theirs(Side::Both),
        Effort::Long => false,
    };
    !known
        && has_time
        && !needs.any(|need| match need.fact {
            Fact::Ours | Fact::Kunit => theirs(need.side),
            Fact::X86 => !is_x86,
            _ => false,
        })
}

fn trial(job: Job) -> Trial {
    let scenario = job.scenario;
    let rare = scenario.needs.iter().any(|need| RARE.contains(&need.fact));
    let name = format!("{}::{}", scenario.name, job.place);
    let run = move || {
        let seed = match std::env::var("LU_SEED") {
            Ok(seed) => runner::seed_from(&seed)?,
            Err(_) => runner::any_seed(),
        };
        println!("LU_SEED={seed:#x} makes the same random choices");
        let run = Run::new(
            scenario.name,
            &job.kernels,
            runner::seed_of(seed, scenario.name),
        );
        (scenario.run)(&run).map_err(|error| Failed::from(format!("{error:#}")))
    };
    Trial::test(name, run).with_ignored_flag(rare)
}
