// SPDX-License-Identifier: GPL-2.0

//! Random damage to random fields of everything that is handed over.

use anyhow::Result;
use lu_vm::Debugger;
use lu_vm::GuestFailure;
use lu_vm::Handover;
use lu_vm::Structure;
use rand::Rng;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::update_with;
use crate::facts::Fact;

/// How many live updates are damaged.
const ROUNDS: usize = 40;

/// The size of a field in bytes.
const WORD: u64 = 8;

inventory::submit! {
    Scenario::update(
        "random_damage_is_survived",
        "Whatever single field of the handover is overwritten, the next kernel reaches userspace and gives out no foreign memory",
        run,
    )
    .covers(&["kho-11", "luo-6", "luo-8"])
    .needs(&[Need::before(Fact::Symbols)])
    .peer_fails(Side::After, "it panics on purpose, hangs or falls over, in more than half of cases", Signs::Any)
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    let (mut intact, mut failures) = (0, Vec::new());
    let rounds = run.times(ROUNDS)?;
    for round in 0..rounds {
        if round % 10 == 0 {
            run.progress(round, rounds, "updates");
        }
        // Each by itself, so that none depends on how far those before it came.
        let mut random = Xoshiro256PlusPlus::seed_from_u64(run.seed().wrapping_add(round as u64));
        let mut done = String::new();
        let result = update_with(run, &format!("-{round}"), "", |handover, debugger| {
            done = damage(handover, debugger, &mut random)?;
            Ok(())
        });
        match result {
            Ok(seen) => {
                let is_intact = |line: &String| line.contains("# the data is intact");
                intact += u32::from(seen.lines().iter().any(is_intact));
            }
            Err(error) => failures.push((format!("round {round}, {done}"), error)),
        }
    }
    run.note(format!(
        "{} of {rounds} randomly damaged handovers were survived, {intact} of them with the data intact",
        rounds - failures.len()
    ));
    GuestFailure::join(&failures)
}

/// Overwrites a field of one of the structures, and says which and how.
fn damage<R: Rng>(handover: &Handover, debugger: &mut Debugger, random: &mut R) -> Result<String> {
    let structures = handover.structures(debugger)?;
    let index = random.random_range(0..structures.len());
    let other = random.random_range(0..structures.len());
    let Structure {
        name,
        address,
        length,
    } = &structures[index];
    let offset = random.random_range(0..length / WORD) * WORD;
    let field = address + offset;
    let old = debugger.read_physical_u64(field)?;
    let new = match random.random_range(0..6) {
        0 => 0,
        1 => u64::MAX,
        2 => random.random(),
        3 => OUTSIDE_MEMORY,
        4 => structures[other].address,
        _ => old ^ 1 << random.random_range(0..u64::BITS),
    };
    debugger.write_physical(field, &new.to_le_bytes())?;
    Ok(format!("{name}, byte {offset}: {old:#x} became {new:#x}"))
}
