// SPDX-License-Identifier: GPL-2.0

//! Random damage to random fields of everything that is handed over.

use anyhow::Result;
use lu_vm::Debugger;
use lu_vm::Handover;
use rand::Rng;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::damage::DATA_INTACT;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::Tries;
use crate::damage::Word;
use crate::damage::is_said;
use crate::damage::update_with_word;
use crate::facts::Fact;

/// How many live updates are damaged.
const ROUNDS: usize = 40;

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
    let (mut tries, mut intact) = (Tries::new(run), 0);
    let rounds = run.times(ROUNDS)?;
    for round in 0..rounds {
        if round % 10 == 0 {
            run.progress(round, rounds, "updates");
        }
        // Each by itself, so that none depends on how far those before it came.
        let mut random = Xoshiro256PlusPlus::seed_from_u64(run.seed().wrapping_add(round as u64));
        let (what, updated) = update_with_word(run, &format!("-{round}"), |handover, debugger| {
            damage(handover, debugger, &mut random)
        });
        let seen = tries.add(format!("round {round}, {what}"), updated);
        intact += u32::from(seen.is_some_and(|seen| is_said(&seen, DATA_INTACT)));
    }
    run.note(format!("{intact} times the data is intact"));
    tries.conclude()
}

/// Overwrites a word of one of the structures.
fn damage<R: Rng>(handover: &Handover, debugger: &mut Debugger, random: &mut R) -> Result<Word> {
    let structures = handover.structures(debugger)?;
    let structure = &structures[random.random_range(0..structures.len())];
    let other = &structures[random.random_range(0..structures.len())];
    let offset = random.random_range(0..structure.length / Word::LENGTH) * Word::LENGTH;
    let choose = |old: u64| match random.random_range(0..6) {
        0 => 0,
        1 => u64::MAX,
        2 => random.random(),
        3 => OUTSIDE_MEMORY,
        4 => other.address,
        _ => old ^ 1 << random.random_range(0..u64::BITS),
    };
    Word::overwrite(handover, debugger, structure, offset, choose)
}
